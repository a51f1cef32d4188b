// The sum over all pairs of a row's vectors of their dot products, in one pass over them, forward and backward.
//
// vectors  [D] │ [D] │ … │ [D]       F of a row
// total    their sum [D]             the pairs' products: half of total² less half of the sum of squares
// slopes   of a vector: the row's slope · (total - vector)

#include <cstdint>
#include <vector>

namespace {

// D is a constant where it is one of the usual widths, so that loops over it become vector operations.
template <int64_t W>
void products_of(int64_t rows, int64_t fields, int64_t given, const float* vectors, float* totals, float* products) {
    const int64_t width = W ? W : given;
    std::vector<float> left(width);
    for (int64_t row = 0; row < rows; ++row) {
        float* const total = totals + row * width;
        float* const squares = left.data();
        for (int64_t d = 0; d < width; ++d) total[d] = squares[d] = 0;
        for (int64_t field = 0; field < fields; ++field, vectors += width) {
            for (int64_t d = 0; d < width; ++d) total[d] += vectors[d], squares[d] += vectors[d] * vectors[d];
        }
        float sum = 0;
        for (int64_t d = 0; d < width; ++d) sum += total[d] * total[d] - squares[d];
        products[row] = sum / 2;
    }
}

template <int64_t W>
void slopes_of(int64_t rows, int64_t fields, int64_t given, const float* vectors, const float* totals,
               const float* slope, float* slopes) {
    const int64_t width = W ? W : given;
    for (int64_t row = 0; row < rows; ++row) {
        const float* const total = totals + row * width;
        for (int64_t field = 0; field < fields; ++field, vectors += width, slopes += width) {
            for (int64_t d = 0; d < width; ++d) slopes[d] = slope[row] * (total[d] - vectors[d]);
        }
    }
}

}  // namespace

extern "C" {

// Writes the totals, [rows, width], and the products, [rows].
void products(int64_t rows, int64_t fields, int64_t width, const float* vectors, float* totals, float* products) {
    switch (width) {
        case 8: return products_of<8>(rows, fields, width, vectors, totals, products);
        case 16: return products_of<16>(rows, fields, width, vectors, totals, products);
        case 32: return products_of<32>(rows, fields, width, vectors, totals, products);
        default: return products_of<0>(rows, fields, width, vectors, totals, products);
    }
}

// Writes the slopes of the vectors, [rows, fields, width].
void slopes(int64_t rows, int64_t fields, int64_t width, const float* vectors, const float* totals,
            const float* slope, float* slopes) {
    switch (width) {
        case 8: return slopes_of<8>(rows, fields, width, vectors, totals, slope, slopes);
        case 16: return slopes_of<16>(rows, fields, width, vectors, totals, slope, slopes);
        case 32: return slopes_of<32>(rows, fields, width, vectors, totals, slope, slopes);
        default: return slopes_of<0>(rows, fields, width, vectors, totals, slope, slopes);
    }
}
}
