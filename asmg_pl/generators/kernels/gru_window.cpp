// A window of GRU steps over a table's rows, forward and backward, with a linear read-out of each state.
//
// Rows are taken a block at a time: a column's values and state of BLOCK rows are copied side by side, all steps run on
// them while they are in the nearest cache, and nothing but the read-outs goes back to memory. The backward pass runs the
// steps again instead of reading what the forward pass would have to store.
//
//     h' = h + z (g - h)     z, r = σ(u θ + W h)     g = tanh(u θ + W (r h)) = 2 σ(2 (u θ + W (r h))) - 1     out = w h'
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

inline float sigmoid(float x) { return 1.0f / (1.0f + exponential(-x)); }

// What one step leaves for the backward pass, for each row of a block.
struct Step {
    Row z[H], r[H], s[H], state[H];  // s = σ(2 a), of which the candidate state is 2 s - 1; state is the one after the step
};

// u θ + W h of one unit; weight holds u and the column of W.
inline void map(const float* weight, const Row& value, const Row* state, Row& out) {
    for (int b = 0; b < BLOCK; ++b) {
        float a = weight[0] * value[b];
        for (int i = 0; i < H; ++i) a += weight[1 + i] * state[i][b];
        out[b] = a;
    }
}

// One step; weight is [3H, 1+H], gate by gate.
void step(const float* weight, const Row& value, const Row* before, Step& to) {
    Row kept[H], a;
    for (int j = 0; j < H; ++j) {
        map(weight + j * INPUTS, value, before, a);
        for (int b = 0; b < BLOCK; ++b) to.z[j][b] = sigmoid(a[b]);
        map(weight + (H + j) * INPUTS, value, before, a);
        for (int b = 0; b < BLOCK; ++b) to.r[j][b] = sigmoid(a[b]);
        for (int b = 0; b < BLOCK; ++b) kept[j][b] = to.r[j][b] * before[j][b];
    }
    for (int j = 0; j < H; ++j) {
        map(weight + (2 * H + j) * INPUTS, value, kept, a);
        for (int b = 0; b < BLOCK; ++b) {
            to.s[j][b] = sigmoid(2.0f * a[b]);
            to.state[j][b] = before[j][b] + to.z[j][b] * (2.0f * to.s[j][b] - 1.0f - before[j][b]);
        }
    }
}

float dot(const Row& one, const Row& other) {
    float sum = 0.0f;
#pragma omp simd reduction(+ : sum)
    for (int b = 0; b < BLOCK; ++b) sum += one[b] * other[b];
    return sum;
}

// A column's part of a block of rows; what lies beyond the last row is 0.
struct Block {
    int64_t begin, count, width;

    void load(const float* table, int64_t column, Row& out) const {
        const float* from = table + begin * width + column;
        for (int64_t b = 0; b < count; ++b) out[b] = from[b * width];
        for (int64_t b = count; b < BLOCK; ++b) out[b] = 0.0f;
    }
    void load_state(const float* hidden, int64_t column, Row* out) const {
        const float* from = hidden + (begin * width + column) * H;
        for (int64_t b = 0; b < count; ++b)
            for (int i = 0; i < H; ++i) out[i][b] = from[b * width * H + i];
        for (int i = 0; i < H; ++i)
            for (int64_t b = count; b < BLOCK; ++b) out[i][b] = 0.0f;
    }
    void store_state(const Row* in, int64_t column, float* hidden) const {
        float* to = hidden + (begin * width + column) * H;
        for (int64_t b = 0; b < count; ++b)
            for (int i = 0; i < H; ++i) to[b * width * H + i] = in[i][b];
    }
    void store(const Row& in, int64_t column, float* table) const {
        float* to = table + begin * width + column;
        for (int64_t b = 0; b < count; ++b) to[b * width] = in[b];
    }
};

}  // namespace

extern "C" {

// Rows first to last of n. Floats: window [k, n, D], hidden [n, D, H], weight [D, 3H, 1+H], read [D, H], out [k, n, D];
// states, the one after the last step, like hidden. Either of the two results may be null.
void forward(int64_t first, int64_t last, int64_t k, int64_t n, int64_t D, const float* window, const float* hidden,
             const float* weight, const float* read, float* out, float* states) {
    Row value, result, start[H];
    Step steps[2];
    for (int64_t begin = first; begin < last; begin += BLOCK) {
        const Block block{begin, last - begin < BLOCK ? last - begin : BLOCK, D};
        for (int64_t d = 0; d < D; ++d) {
            block.load_state(hidden, d, start);
            const Row* before = start;
            for (int64_t i = 0; i < k; ++i) {
                block.load(window + i * n * D, d, value);
                Step& now = steps[i % 2];
                step(weight + d * 3 * H * INPUTS, value, before, now);
                before = now.state;
                if (!out) continue;
                for (int b = 0; b < BLOCK; ++b) {
                    float sum = 0.0f;
                    for (int j = 0; j < H; ++j) sum += read[d * H + j] * now.state[j][b];
                    result[b] = sum;
                }
                block.store(result, d, out + i * n * D);
            }
            if (states) block.store_state(before, d, states);
        }
    }
}

// The same rows; gradient [k, n, D] is that of out. Adds to by_weight, double [D, 3H, 1+H], and by_read, double [D, H].
void backward(int64_t first, int64_t last, int64_t k, int64_t n, int64_t D, const float* window, const float* hidden,
              const float* weight, const float* read, const float* gradient, double* by_weight, double* by_read) {
    std::vector<Step> steps(k);
    std::vector<Row> unpacked(2 * k);
    Row *values = unpacked.data(), *gradients = values + k;
    Row start[H], after[H], slopes[3 * H], kept[H];
    for (int64_t begin = first; begin < last; begin += BLOCK) {
        const Block block{begin, last - begin < BLOCK ? last - begin : BLOCK, D};
        for (int64_t d = 0; d < D; ++d) {
            const float* own = weight + d * 3 * H * INPUTS;
            double* sums = by_weight + d * 3 * H * INPUTS;
            block.load_state(hidden, d, start);
            for (int64_t i = 0; i < k; ++i) {
                block.load(window + i * n * D, d, values[i]);
                block.load(gradient + i * n * D, d, gradients[i]);
                step(own, values[i], i ? steps[i - 1].state : start, steps[i]);
            }
            std::memset(after, 0, sizeof after);  // what later steps say of the state after step i
            for (int64_t i = k - 1; i >= 0; --i) {
                const Step& now = steps[i];
                const Row* before = i ? steps[i - 1].state : start;
                for (int j = 0; j < H; ++j) {
                    by_read[d * H + j] += dot(gradients[i], now.state[j]);
                    for (int b = 0; b < BLOCK; ++b) {
                        const float z = now.z[j][b], s = now.s[j][b], h = before[j][b];
                        after[j][b] += read[d * H + j] * gradients[i][b];
                        slopes[2 * H + j][b] = 4.0f * after[j][b] * z * s * (1.0f - s);
                        slopes[j][b] = after[j][b] * (2.0f * s - 1.0f - h) * z * (1.0f - z);
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
                    sums[a * INPUTS] += dot(slopes[a], values[i]);
                    for (int c = 0; c < H; ++c) sums[a * INPUTS + 1 + c] += dot(slopes[a], state[c]);
                }
            }
        }
    }
}
}
