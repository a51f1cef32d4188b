// Linear layers with ReLU between them, forward and backward, for mini-batches whose layers are small.
//
// forward    input ─▶ W x + b ─▶ ReLU ─▶ … ─▶ W x + b ─▶ out       each layer's input is kept, in rows of whole vectors
// backward   input ◀─ Wᵀ g ◀─ mask ◀─ … ◀─ Wᵀ g ◀─ slope           of a layer: weight gᵀ x, bias the sum of g
//
// All three products are one: A [R, K] times P [K, C], whose rows have whole vectors. A tile of the result stays in
// registers while k goes up, so that each sum has one order, however the tiles lie.

#include <cstdint>
#include <cstring>
#include <vector>

namespace {

constexpr int64_t LANES = 16;

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

int64_t padded(int64_t width) { return (width + LANES - 1) / LANES * LANES; }

const Vector& at(const float* place) { return *reinterpret_cast<const Vector*>(place); }

struct Matrix {  // its rows and columns lie this far apart
    const float* numbers;
    int64_t by_row, by_column;
};

struct Product {
    int64_t rows, columns, inner;
    Matrix a;
    const float* p;     // [inner, by_row]
    int64_t p_by_row;
    const float* bias;  // of whole vectors, or null
    bool relu;
    const float* mask;  // the result is 0 where this is not above 0; or null
    int64_t mask_by_row;
    float* out;
    int64_t out_by_row;
};

// A tile of R rows and C vectors.
template <int R, int C>
void tile(const Product& given, int64_t row, int64_t column) {
    Vector sums[R][C];
    for (int c = 0; c < C; ++c)
        for (int r = 0; r < R; ++r) sums[r][c] = given.bias ? at(given.bias + column + c * LANES) : Vector{};
    const float* const a = given.a.numbers + row * given.a.by_row;
    for (int64_t k = 0; k < given.inner; ++k) {
        const float* const p = given.p + k * given.p_by_row + column;
        Vector loaded[C];
        for (int c = 0; c < C; ++c) loaded[c] = at(p + c * LANES);
        for (int r = 0; r < R; ++r) {
            const float factor = a[r * given.a.by_row + k * given.a.by_column];
            for (int c = 0; c < C; ++c) sums[r][c] += factor * loaded[c];
        }
    }
    for (int r = 0; r < R; ++r)
        for (int c = 0; c < C; ++c) {
            const int64_t first = column + c * LANES;
            Vector found = sums[r][c];
            if (given.relu) found = found < 0.0f ? Vector{} : found;
            if (given.mask) found = at(given.mask + (row + r) * given.mask_by_row + first) <= 0.0f ? Vector{} : found;
            const int64_t left = given.columns - first;
            std::memcpy(given.out + (row + r) * given.out_by_row + first, &found, 4 * (left < LANES ? left : LANES));
        }
}

template <int R, int C>
int64_t tiles(const Product& given, int64_t row, int64_t column) {
    for (; row + R <= given.rows; row += R) tile<R, C>(given, row, column);
    return row;
}

template <int C>
void columns(const Product& given, int64_t column) {
    const int64_t row = tiles<4, C>(given, tiles<C < 4 ? 8 : 6, C>(given, 0, column), column);
    tiles<1, C>(given, row, column);
}

void multiply(const Product& given) {
    const int64_t vectors = padded(given.columns) / LANES;
    for (int64_t done = 0; done < vectors;) {
        const int64_t left = vectors - done, width = left >= 4 && left != 5 ? 4 : left > 3 ? 3 : left;
        switch (width) {
            case 4: columns<4>(given, done * LANES); break;
            case 3: columns<3>(given, done * LANES); break;
            case 2: columns<2>(given, done * LANES); break;
            default: columns<1>(given, done * LANES);
        }
        done += width;
    }
}

// Rows of `width` numbers as rows of whole vectors, with 0 behind them.
void widen(int64_t rows, int64_t width, const float* from, float* to) {
    const int64_t wide = padded(width);
    for (int64_t row = 0; row < rows; ++row) {
        std::memcpy(to + row * wide, from + row * width, 4 * width);
        for (int64_t place = width; place < wide; ++place) to[row * wide + place] = 0;
    }
}

}  // namespace

extern "C" {

// How many numbers `forward` keeps.
int64_t keeps(int64_t rows, int64_t layers, const int64_t* widths) {
    int64_t found = 0;
    for (int64_t layer = 0; layer < layers; ++layer) found += rows * padded(widths[layer]);
    return found;
}

// Of each layer, `given` has the weight [out, in] and the bias [out]. `widths` are those of the input and of the layers.
// `kept` gets the input of each layer.
void forward(int64_t rows, int64_t layers, const int64_t* widths, const float* const* given, const float* input,
             float* kept, float* out) {
    widen(rows, widths[0], input, kept);
    std::vector<float> weight, bias;
    for (int64_t layer = 0; layer < layers; ++layer) {
        const int64_t in = widths[layer], width = widths[layer + 1], wide = padded(width);
        const bool last = layer + 1 == layers;
        weight.assign(in * wide, 0);
        for (int64_t to = 0; to < width; ++to)
            for (int64_t from = 0; from < in; ++from) weight[from * wide + to] = given[2 * layer][to * in + from];
        bias.assign(wide, 0);
        std::memcpy(bias.data(), given[2 * layer + 1], 4 * width);
        float* const next = kept + rows * padded(in);
        multiply({rows, last ? width : wide, in, {kept, padded(in), 1}, weight.data(), wide, bias.data(), !last, nullptr,
                  0, last ? out : next, last ? width : wide});
        kept = next;
    }
}

// `found` are the gradients of the input and of what `forward` was given, each of which may be null; `kept` is from there.
void backward(int64_t rows, int64_t layers, const int64_t* widths, const float* const* given, const float* kept,
              const float* slope, float* const* found) {
    kept += keeps(rows, layers - 1, widths);
    std::vector<float> slopes(rows * padded(widths[layers])), next, weight;
    widen(rows, widths[layers], slope, slopes.data());
    for (int64_t layer = layers - 1; layer >= 0; --layer) {
        const int64_t in = widths[layer], wide_in = padded(in), width = widths[layer + 1], wide = padded(width);
        if (float* const out = found[2 * layer + 1])
            multiply({width, in, rows, {slopes.data(), 1, wide}, kept, wide_in, nullptr, false, nullptr, 0, out, in});
        if (float* const out = found[2 * layer + 2]) {
            std::vector<float> sum(wide);
            for (int64_t row = 0; row < rows; ++row)
                for (int64_t place = 0; place < wide; ++place) sum[place] += slopes[row * wide + place];
            std::memcpy(out, sum.data(), 4 * width);
        }
        if (!layer && !found[0]) return;
        weight.resize(width * wide_in);
        widen(width, in, given[2 * layer], weight.data());
        const Matrix left{slopes.data(), wide, 1};
        if (!layer) {
            multiply({rows, in, width, left, weight.data(), wide_in, nullptr, false, nullptr, 0, found[0], in});
            return;
        }
        next.resize(rows * wide_in);
        multiply({rows, wide_in, width, left, weight.data(), wide_in, nullptr, false, kept, wide_in, next.data(), wide_in});
        slopes.swap(next);
        kept -= rows * padded(widths[layer - 1]);
    }
}
}
