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
// STATE and ROWS are given when this file is compiled, see stored_rows.h, so that loops over them are unrolled.

#include <cstdint>
#include <vector>

#include "exponential.h"
#include "stored_rows.h"

namespace {

constexpr int INPUTS = 1 + H;  // θ and the state

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

// The weights of the gates times -log2 e, and those of g times -2 log2 e: what they map to is a power of two.
void scale(const float* weight, float* scaled) {
    for (int a = 0; a < 3 * H * INPUTS; ++a) scaled[a] = (a < 2 * H * INPUTS ? -LOG2_E : -2.0f * LOG2_E) * weight[a];
}

// Two sigmoids of one division, 1 / (1 + 2^a). Where both are so far out that the product overflows, they are 0 instead of
// below 1e-38.
inline void sigmoids(const Row& a, const Row& b, Row& one, Row& other) {
    for (int i = 0; i < BLOCK; ++i) {
        const float x = 1.0f + power(a[i]), y = 1.0f + power(b[i]);
        const float inverse = 1.0f / (x * y);
        one[i] = y * inverse;
        other[i] = x * inverse;
    }
}

// Two hyperbolic tangents of one division, -m / (2 + m) with m = 2^a - 1.
inline void tangents(const Row& a, const Row& b, Row& one, Row& other) {
    for (int i = 0; i < BLOCK; ++i) {
        const float m = power_minus_1(a[i]), n = power_minus_1(b[i]);
        const float x = 2.0f + m, y = 2.0f + n, inverse = 1.0f / (x * y);
        one[i] = -m * (y * inverse);
        other[i] = -n * (x * inverse);
    }
}

// One step; weight is [3H, 1+H], gate by gate, and scaled.
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

// Numbers that one instruction takes side by side. Loops over blocks of rows are written with them where compilers would
// not find out that rows do not overlap.
constexpr int LANES = BLOCK < 16 ? BLOCK : 16;
typedef float Lanes __attribute__((vector_size(4 * LANES)));

inline Lanes lanes_of(const Row& row, int b) {
    Lanes found;
    std::memcpy(&found, row + b, sizeof found);
    return found;
}

inline void put(Row& row, int b, Lanes lanes) { std::memcpy(row + b, &lanes, sizeof lanes); }

// A sum of products over rows, which stays in lanes until all steps of a block are done.
struct Sum {
    Lanes lanes;

    inline void add(const Row& one, const Row& other) {
        Lanes sum = lanes;
        for (int b = 0; b < BLOCK; b += LANES) sum += lanes_of(one, b) * lanes_of(other, b);
        lanes = sum;
    }
    inline double total() const {
        float sum = 0.0f;
        for (int i = 0; i < LANES; ++i) sum += lanes[i];
        return sum;
    }
};

// What the backward pass keeps of a step: how the loss changes with what the gates map, and the state that g reads.
struct Slopes {
    Row of[3 * H], kept[H];
};

// From the gradient of an output, by one step, to that of the state before it. `after` is what later steps say of the state
// after the step, and becomes what this step and they say of the state before; weight [3H, 1+H] and out [H] are not scaled.
void step_back(const float* weight, const float* out, const Row& gradient, const Row* before, const Step& now, Row* after,
               Slopes& slopes) {
    for (int b = 0; b < BLOCK; b += LANES) {
        const Lanes given = lanes_of(gradient, b);
        Lanes slope[3 * H], through[H], state[H];
        for (int j = 0; j < H; ++j) {
            const Lanes z = lanes_of(now.z[j], b), g = lanes_of(now.g[j], b), h = lanes_of(before[j], b);
            const Lanes all = lanes_of(after[j], b) + out[j] * given;
            slope[2 * H + j] = all * z * (1.0f - g * g);
            slope[j] = all * (g - h) * z * (1.0f - z);
            state[j] = all * (1.0f - z);
        }
        for (int j = 0; j < H; ++j) {
            const Lanes r = lanes_of(now.r[j], b), h = lanes_of(before[j], b);
            through[j] = Lanes{};
            for (int a = 0; a < H; ++a) through[j] += weight[(2 * H + a) * INPUTS + 1 + j] * slope[2 * H + a];
            slope[H + j] = through[j] * h * r * (1.0f - r);
            state[j] += through[j] * r;
            put(slopes.kept[j], b, r * h);
        }
        for (int j = 0; j < H; ++j) {
            for (int a = 0; a < 2 * H; ++a) state[j] += weight[a * INPUTS + 1 + j] * slope[a];
            put(after[j], b, state[j]);
        }
        for (int a = 0; a < 3 * H; ++a) put(slopes.of[a], b, slope[a]);
    }
}

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
    float scaled[3 * H * INPUTS];
    for (int64_t begin = first; begin < last; begin += BLOCK) {
        const Block block(stored, begin, last);
        block.fetch_next(last);
        for (int64_t d = 0; d < D; ++d) {
            block.load_state(d, begin_state);
            scale(weight + d * 3 * H * INPUTS, scaled);
            const Row* before = begin_state;
            for (int64_t i = 0; i < k; ++i) {
                block.load(i, d, value);
                Step& now = steps[i % 2];
                step(scaled, value, before, now);
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
    Row begin_state[H], after[H];
    Slopes slopes;
    float scaled[3 * H * INPUTS];
    Sum of_weight[3 * H * INPUTS], of_out[H + 2];
    Row ones;
    for (float& one : ones) one = 1.0f;
    for (int64_t begin = first; begin < last; begin += BLOCK) {
        const Block block(stored, begin, last);
        block.fetch_next(last);
        for (int64_t d = 0; d < D; ++d) {
            const float *own = weight + d * 3 * H * INPUTS, *out = read + d * (H + 2);
            std::memset(of_out, 0, sizeof of_out);
            std::memset(of_weight, 0, sizeof of_weight);
            block.load_state(d, begin_state);
            scale(own, scaled);
            for (int64_t i = 0; i < k; ++i) {
                block.load(i, d, given[i].value);
                block.load_beside(gradient + i * n * D, d, given[i].gradient);
                step(scaled, given[i].value, i ? steps[i - 1].state : begin_state, steps[i]);
            }
            std::memset(after, 0, sizeof after);  // what later steps say of the state after step i
            for (int64_t i = k - 1; i >= 0; --i) {
                const Step& now = steps[i];
                const Row* before = i ? steps[i - 1].state : begin_state;
                of_out[H].add(given[i].gradient, ones);
                of_out[H + 1].add(given[i].gradient, given[i].value);
                for (int j = 0; j < H; ++j) of_out[j].add(given[i].gradient, now.state[j]);
                step_back(own, out, given[i].gradient, before, now, after, slopes);
                for (int a = 0; a < 3 * H; ++a) {
                    const Row* state = a < 2 * H ? before : slopes.kept;
                    of_weight[a * INPUTS].add(slopes.of[a], given[i].value);
                    for (int c = 0; c < H; ++c) of_weight[a * INPUTS + 1 + c].add(slopes.of[a], state[c]);
                }
            }
            for (int a = 0; a < 3 * H * INPUTS; ++a) by_weight[d * 3 * H * INPUTS + a] += of_weight[a].total();
            for (int j = 0; j < H + 2; ++j) by_read[d * (H + 2) + j] += of_out[j].total();
        }
    }
}
}
