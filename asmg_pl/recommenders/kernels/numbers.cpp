// The numbers of mini-batches: scaled, and times vectors, each in one pass over the rows.
//
// raw      12.5 │ NaN │ …                            M of a row
// scaled   (12.5 - mean) / std, 0 │ 0, 1 │ …         the value, and whether it is missing
// fields   value · its vector │ the vector of an absence │ …         D of each number
//
// Additions have one order, so that numbers are repeatable.

#include <cmath>
#include <cstdint>

namespace {

// D is a constant where it is one of the usual widths, so that loops over it become vector operations.
template <int64_t W, typename Scaled, typename Vectors, typename Fields, typename See>
inline void each_field(int64_t rows, int64_t numbers, int64_t given, int64_t wide, Scaled* scaled, Vectors* vectors,
                       Fields* fields, See see) {
    const int64_t width = W ? W : given;
    for (int64_t row = 0; row < rows; ++row) {
        for (int64_t number = 0; number < numbers; ++number) {
            const float* const scale = scaled + 2 * (row * numbers + number);
            const bool missing = scale[1] != 0;
            see(width, missing ? 1.0f : scale[0], vectors + (2 * number + missing) * width,
                fields + row * wide + number * width);
        }
    }
}

template <int64_t W>
void write_fields(int64_t rows, int64_t numbers, int64_t width, int64_t wide, const float* scaled,
                  const float* vectors, float* fields) {
    each_field<W>(rows, numbers, width, wide, scaled, vectors, fields,
                  [](int64_t width, float times, const float* from, float* to) {
                      for (int64_t d = 0; d < width; ++d) to[d] = times * from[d];
                  });
}

template <int64_t W>
void add_gradients(int64_t rows, int64_t numbers, int64_t width, int64_t wide, const float* scaled,
                   const float* slopes, float* gradients) {
    each_field<W>(rows, numbers, width, wide, scaled, gradients, slopes,
                  [](int64_t width, float times, float* to, const float* from) {
                      for (int64_t d = 0; d < width; ++d) to[d] += times * from[d];
                  });
}

}  // namespace

extern "C" {

// Writes [rows, numbers, 2].
void scale(int64_t rows, int64_t numbers, const float* raw, const float* mean, const float* std, float* scaled) {
    for (int64_t row = 0; row < rows; ++row, raw += numbers, scaled += 2 * numbers) {
        for (int64_t number = 0; number < numbers; ++number) {
            const bool missing = std::isnan(raw[number]);
            scaled[2 * number] = missing ? 0.0f : (raw[number] - mean[number]) / std[number];
            scaled[2 * number + 1] = missing;
        }
    }
}

// Writes the vector of each number, [rows, numbers, width]; rows are `wide` numbers apart.
void fields(int64_t rows, int64_t numbers, int64_t width, int64_t wide, const float* scaled, const float* vectors,
            float* made) {
    switch (width) {
        case 1: return write_fields<1>(rows, numbers, width, wide, scaled, vectors, made);
        case 8: return write_fields<8>(rows, numbers, width, wide, scaled, vectors, made);
        case 16: return write_fields<16>(rows, numbers, width, wide, scaled, vectors, made);
        case 32: return write_fields<32>(rows, numbers, width, wide, scaled, vectors, made);
        default: return write_fields<0>(rows, numbers, width, wide, scaled, vectors, made);
    }
}

// Adds the slopes of these fields to the gradients of the vectors.
void gradients(int64_t rows, int64_t numbers, int64_t width, int64_t wide, const float* scaled, const float* slopes,
               float* found) {
    switch (width) {
        case 1: return add_gradients<1>(rows, numbers, width, wide, scaled, slopes, found);
        case 8: return add_gradients<8>(rows, numbers, width, wide, scaled, slopes, found);
        case 16: return add_gradients<16>(rows, numbers, width, wide, scaled, slopes, found);
        case 32: return add_gradients<32>(rows, numbers, width, wide, scaled, slopes, found);
        default: return add_gradients<0>(rows, numbers, width, wide, scaled, slopes, found);
    }
}
}
