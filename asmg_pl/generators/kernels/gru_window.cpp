// A window of GRU steps over a table's rows, forward and backward, with a linear read-out of each state:
//
//     out = w h' + b, or, where the output is residual, θ + s θ + (w h' + b)
//
// Rows are taken a block at a time: a column's values and state of BLOCK rows are copied side by side, all steps run on
// them while they are in the nearest cache, and nothing but the outputs goes back to memory. The backward pass runs the
// steps again instead of reading what the forward pass would have to store.
//
//     h' = h + z (g - h)     z, r = σ(u θ + W h)     g = tanh(u θ + W (r h)) = -m / (2 + m), m = e^-2(u θ + W (r h)) - 1
//
// Rows are read where they stand in a history, in one piece or one by one. Divisions take longest, so two gates share one.
//
// STATE, the size H of a coordinate's state, and ROWS, those of a block, are given when this file is compiled, so that
// loops over them are unrolled.

#include <cstdint>
#include <vector>

#include "exponential.h"

namespace {

constexpr int H = STATE;
constexpr int INPUTS = 1 + H;  // θ and the state
constexpr int BLOCK = ROWS;

using Row = float[BLOCK];

// What one step leaves for the backward pass, for each row of a block; state is the one after the step.
struct Step {
    Row z[H], r[H], g[H], state[H];
};

// u θ + W h of one unit; weight holds u and the column of W.
inline void map(const float* weight, const Row& value, const Row* state, Row& out) {
    for (int b = 0; b < BLOCK; ++b) {
        float a = weight[0] * value[b];
        for (int i = 0; i < H; ++i) a += weight[1 + i] * state[i][b];
        out[b] = a;
    }
}

// Two sigmoids of one division. Where both are so far out that the product overflows, they are 0 instead of below 1e-38.
inline void sigmoids(const Row& a, const Row& b, Row& one, Row& other) {
    for (int i = 0; i < BLOCK; ++i) {
        const float x = 1.0f + exponential(-a[i]), y = 1.0f + exponential(-b[i]);
        const float inverse = 1.0f / (x * y);
        one[i] = y * inverse;
        other[i] = x * inverse;
    }
}

// The tangents of two rows, of one division.
inline void tangents(const Row& a, const Row& b, Row& one, Row& other) {
    for (int i = 0; i < BLOCK; ++i) {
        const float m = exponential_minus_1(-2.0f * a[i]), n = exponential_minus_1(-2.0f * b[i]);
        const float x = 2.0f + m, y = 2.0f + n, inverse = 1.0f / (x * y);
        one[i] = -m * (y * inverse);
        other[i] = -n * (x * inverse);
    }
}

// One step; weight is [3H, 1+H], gate by gate.
void step(const float* weight, const Row& value, const Row* before, Step& to) {
    Row kept[H], a, b, unused;
    for (int j = 0; j < H; ++j) {
        map(weight + j * INPUTS, value, before, a);
        map(weight + (H + j) * INPUTS, value, before, b);
        sigmoids(a, b, to.z[j], to.r[j]);
        for (int i = 0; i < BLOCK; ++i) kept[j][i] = to.r[j][i] * before[j][i];
    }
    for (int j = 0; j < H; j += 2) {
        const int next = j + 1 < H ? j + 1 : j;
        map(weight + (2 * H + j) * INPUTS, value, kept, a);
        map(weight + (2 * H + next) * INPUTS, value, kept, b);
        tangents(a, b, to.g[j], next > j ? to.g[next] : unused);
    }
    for (int j = 0; j < H; ++j)
        for (int i = 0; i < BLOCK; ++i)
            to.state[j][i] = before[j][i] + to.z[j][i] * (to.g[j][i] - before[j][i]);
}

float dot(const Row& one, const Row& other) {
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int b = 0; b < BLOCK; ++b) sum += one[b] * other[b];
    return sum;
}

// Where rows stand: the table in slots of N rows of D floats, of which `order` are read, and the state, float or bfloat16
// [N, D, H], or null where it is 0. Row b of a call is row `rows[b]` of the table or, if there are no row numbers, row `start + b`.
struct Stored {
    int64_t k, N, D, start, bfloat16;
    const float* table;
    const int64_t *order, *rows;
    void* hidden;

    int64_t place(int64_t b) const { return (rows ? rows[b] : start + b) * D; }
};

inline float widened(uint16_t half) {
    const uint32_t bits = uint32_t(half) << 16;
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

inline uint16_t rounded(float x) {  // to the nearest, to even between two, as torch does
    uint32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fc0;
    return uint16_t((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

// A block of rows; what lies beyond the last row is 0.
struct Block {
    const Stored& of;
    int64_t begin, count;
    int64_t places[BLOCK];

    Block(const Stored& stored, int64_t first, int64_t last)
        : of(stored), begin(first), count(last - first < BLOCK ? last - first : BLOCK) {
        for (int64_t b = 0; b < count; ++b) places[b] = stored.place(first + b);
    }

    void load(int64_t step, int64_t column, Row& out) const {
        const float* from = of.table + of.order[step] * of.N * of.D + column;
        for (int64_t b = 0; b < count; ++b) out[b] = from[places[b]];
        for (int64_t b = count; b < BLOCK; ++b) out[b] = 0.0f;
    }
    void load_state(int64_t column, Row* out) const {
        const int64_t kept = of.hidden ? count : 0;
        for (int64_t b = 0; b < kept; ++b)
            for (int i = 0; i < H; ++i) {
                const int64_t at = (places[b] + column) * H + i;
                out[i][b] = of.bfloat16 ? widened(static_cast<const uint16_t*>(of.hidden)[at])
                                        : static_cast<const float*>(of.hidden)[at];
            }
        for (int i = 0; i < H; ++i)
            for (int64_t b = kept; b < BLOCK; ++b) out[i][b] = 0.0f;
    }
    void store_state(const Row* in, int64_t column) const {
        for (int64_t b = 0; b < count; ++b)
            for (int i = 0; i < H; ++i) {
                const int64_t at = (places[b] + column) * H + i;
                if (of.bfloat16)
                    static_cast<uint16_t*>(of.hidden)[at] = rounded(in[i][b]);
                else
                    static_cast<float*>(of.hidden)[at] = in[i][b];
            }
    }
    // A column of rows [n, D] that stand side by side in the order of the call.
    void load_beside(const float* table, int64_t column, Row& out) const {
        const float* from = table + begin * of.D + column;
        for (int64_t b = 0; b < count; ++b) out[b] = from[b * of.D];
        for (int64_t b = count; b < BLOCK; ++b) out[b] = 0.0f;
    }
    void store_beside(const Row& in, int64_t column, float* table) const {
        float* to = table + begin * of.D + column;
        for (int64_t b = 0; b < count; ++b) to[b * of.D] = in[b];
    }
};

}  // namespace

extern "C" {

// Rows first to last of n. Floats: weight [D, 3H, 1+H], read [D, H + 2], which are w, b and s, and out [k - from, n, D],
// the rows after the steps from `from` on. Without out, the state after the last step takes the place of that before the
// first.
void forward(int64_t first, int64_t last, int64_t n, int64_t from, int64_t residual, int64_t k, int64_t N, int64_t D,
             int64_t start, int64_t bfloat16, const float* table, const int64_t* order, const int64_t* rows, void* hidden,
             const float* weight, const float* read, float* out) {
    const Stored stored{k, N, D, start, bfloat16, table, order, rows, hidden};
    Row value, result, begin_state[H];
    Step steps[2];
    for (int64_t begin = first; begin < last; begin += BLOCK) {
        const Block block(stored, begin, last);
        for (int64_t d = 0; d < D; ++d) {
            block.load_state(d, begin_state);
            const Row* before = begin_state;
            for (int64_t i = 0; i < k; ++i) {
                block.load(i, d, value);
                Step& now = steps[i % 2];
                step(weight + d * 3 * H * INPUTS, value, before, now);
                before = now.state;
                if (!out || i < from) continue;
                for (int b = 0; b < BLOCK; ++b) {
                    const float* own = read + d * (H + 2);
                    float sum = 0.0f;
                    for (int j = 0; j < H; ++j) sum += own[j] * now.state[j][b];
                    sum += own[H];
                    result[b] = residual ? value[b] + value[b] * own[H + 1] + sum : sum;
                }
                block.store_beside(result, d, out + (i - from) * n * D);
            }
            if (!out) block.store_state(before, d);
        }
    }
}

// The same rows; gradient [k, n, D] is that of out. Adds to by_weight and by_read, doubles of the
// shapes of weight and read.
void backward(int64_t first, int64_t last, int64_t n, int64_t k, int64_t N, int64_t D, int64_t start, int64_t bfloat16,
              const float* table, const int64_t* order, const int64_t* rows, void* hidden, const float* weight,
              const float* read, const float* gradient, double* by_weight, double* by_read) {
    const Stored stored{k, N, D, start, bfloat16, table, order, rows, hidden};
    std::vector<Step> steps(k);
    struct Unpacked {
        Row value, gradient;
    };
    std::vector<Unpacked> given(k);
    Row begin_state[H], after[H], slopes[3 * H], kept[H];
    for (int64_t begin = first; begin < last; begin += BLOCK) {
        const Block block(stored, begin, last);
        for (int64_t d = 0; d < D; ++d) {
            const float *own = weight + d * 3 * H * INPUTS, *out = read + d * (H + 2);
            double* by_out = by_read + d * (H + 2);
            double* sums = by_weight + d * 3 * H * INPUTS;
            block.load_state(d, begin_state);
            for (int64_t i = 0; i < k; ++i) {
                block.load(i, d, given[i].value);
                block.load_beside(gradient + i * n * D, d, given[i].gradient);
                step(own, given[i].value, i ? steps[i - 1].state : begin_state, steps[i]);
            }
            std::memset(after, 0, sizeof after);  // what later steps say of the state after step i
            for (int64_t i = k - 1; i >= 0; --i) {
                const Step& now = steps[i];
                const Row* before = i ? steps[i - 1].state : begin_state;
                for (int b = 0; b < BLOCK; ++b) by_out[H] += given[i].gradient[b];
                by_out[H + 1] += dot(given[i].gradient, given[i].value);
                for (int j = 0; j < H; ++j) {
                    by_out[j] += dot(given[i].gradient, now.state[j]);
                    for (int b = 0; b < BLOCK; ++b) {
                        const float z = now.z[j][b], g = now.g[j][b], h = before[j][b];
                        after[j][b] += out[j] * given[i].gradient[b];
                        slopes[2 * H + j][b] = after[j][b] * z * (1.0f - g * g);
                        slopes[j][b] = after[j][b] * (g - h) * z * (1.0f - z);
                        after[j][b] *= 1.0f - z;
                        kept[j][b] = now.r[j][b] * h;
                    }
                }
                for (int j = 0; j < H; ++j)
                    for (int b = 0; b < BLOCK; ++b) {
                        float through = 0.0f;
                        for (int a = 0; a < H; ++a) through += own[(2 * H + a) * INPUTS + 1 + j] * slopes[2 * H + a][b];
                        const float r = now.r[j][b];
                        slopes[H + j][b] = through * before[j][b] * r * (1.0f - r);
                        after[j][b] += through * r;
                    }
                for (int j = 0; j < H; ++j)
                    for (int b = 0; b < BLOCK; ++b) {
                        float sum = after[j][b];
                        for (int a = 0; a < 2 * H; ++a) sum += own[a * INPUTS + 1 + j] * slopes[a][b];
                        after[j][b] = sum;
                    }
                for (int a = 0; a < 3 * H; ++a) {
                    const Row* state = a < 2 * H ? before : kept;
                    sums[a * INPUTS] += dot(slopes[a], given[i].value);
                    for (int c = 0; c < H; ++c) sums[a * INPUTS + 1 + c] += dot(slopes[a], state[c]);
                }
            }
        }
    }
}
}
