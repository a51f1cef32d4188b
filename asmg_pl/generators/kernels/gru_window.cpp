// A window of GRU steps over a table's rows, forward and backward, with a linear read-out of each state:
//
//     out = w h' + b, or, where the output is residual, θ + s θ + (w h' + b)
//
// Coordinates are taken in the order in which they stand, LANES side by side. Every column has weights of its own: lanes
// p vectors apart stand over the same columns, and GROUP of them go through all steps together, in the nearest cache.
// Nothing but the outputs goes back to memory: the backward pass runs the steps again.
//
//     rows of D = 8      θ 0 1 … 7 0 1 … 7 | θ 0 1 … 7 0 1 … 7 | …        p = 1
//     rows of D = 24     θ 0 1 …           | … 22 23 0 1 …     | …        p = 3
//
//     h' = h + z (g - h)     z, r = σ(u θ + W h)     g = tanh(u θ + W (r h)) = -m / (2 + m), m = e^-2(u θ + W (r h)) - 1
//
// STATE and VECTORS, the sizes of a state and of a group, are given when this file is compiled, so that loops over them are
// unrolled.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "columns.h"
#include "lanes.h"
#include "stored_rows.h"

namespace {

constexpr int INPUTS = 1 + H;  // θ and the state
constexpr int WEIGHTS = 3 * H * INPUTS, READ = H + 2;

// What one step leaves for the backward pass; state is the one after the step.
struct Step {
    Numbers z[H], r[H], g[H], state[H];
};

// u θ + W h of so many units; weight holds u and the column of W of each.
template <int UNITS>
inline void map(const Lanes* weight, const Numbers& value, const Numbers* state, Numbers* to) {
    for (int j = 0; j < UNITS; ++j, weight += INPUTS)
        for (int u = 0; u < GROUP; ++u) {
            Lanes a = weight[0] * value.of[u];
            for (int i = 0; i < H; ++i) a += weight[1 + i] * state[i].of[u];
            to[j].of[u] = a;
        }
}

// One step; weight is [3H, 1+H], gate by gate, and scaled. Each loop is a short chain of operations, many of which a processor
// works on at once.
void step(const Lanes* weight, const Numbers& value, const Numbers* before, Step& to) {
    Numbers a[2 * H], kept[H];
    map<2 * H>(weight, value, before, a);
    for (Numbers& each : a)
        for (Lanes& x : each.of) x = 1.0f + power(x);
    // Two sigmoids 1 / (1 + 2^a) of one division.
    for (int j = 0; j < H; ++j)
        for (int u = 0; u < GROUP; ++u) {
            const Lanes x = a[j].of[u], y = a[H + j].of[u], shared = inverse(x * y);
            to.z[j].of[u] = y * shared;
            to.r[j].of[u] = x * shared;
            kept[j].of[u] = to.r[j].of[u] * before[j].of[u];
        }
    map<H>(weight + 2 * H * INPUTS, value, kept, a);
    for (int j = 0; j < H; ++j)
        for (Lanes& x : a[j].of) x = power_minus_1(x);
    for (int j = 0; j < H; j += 2) {  // two hyperbolic tangents -m / (2 + m) of one division
        const int next = j + 1 < H ? j + 1 : j;
        for (int u = 0; u < GROUP; ++u) {
            const Lanes m = a[j].of[u], n = a[next].of[u];
            const Lanes x = 2.0f + m, y = 2.0f + n, shared = inverse(x * y);
            to.g[j].of[u] = -m * (y * shared);
            to.g[next].of[u] = -n * (x * shared);
        }
    }
    for (int j = 0; j < H; ++j)
        for (int u = 0; u < GROUP; ++u) {
            const Lanes h = before[j].of[u];
            to.state[j].of[u] = h + to.z[j].of[u] * (to.g[j].of[u] - h);
        }
}

// The weights of the gates times -log2 e, and those of g times -2 log2 e: what they map to is a power of two.
float scale(int weight) { return weight < 2 * H * INPUTS ? -LOG2_E : -2.0f * LOG2_E; }

float as_it_is(int) { return 1.0f; }

// What the backward pass keeps of a step: how the loss changes with what the gates map, and the state that g reads.
struct Slopes {
    Numbers of[3 * H], kept[H];
};

// From the gradient of an output, by one step, to that of the state before it. `after` is what later steps say of the state
// after the step, and becomes what this step and they say of the state before; weight [3H, 1+H] and out [H] are not scaled.
void step_back(const Lanes* weight, const Lanes* out, const Numbers& gradient, const Numbers* before, const Step& now,
               Numbers* after, Slopes& slopes) {
    for (int u = 0; u < GROUP; ++u) {
        Lanes slope[3 * H], state[H];
        for (int j = 0; j < H; ++j) {
            const Lanes z = now.z[j].of[u], g = now.g[j].of[u], h = before[j].of[u];
            const Lanes all = after[j].of[u] + out[j] * gradient.of[u], shut = all * (1.0f - z);
            slope[2 * H + j] = all * z * (1.0f - g * g);
            slope[j] = shut * (g - h) * z;
            state[j] = shut;
        }
        for (int j = 0; j < H; ++j) {
            const Lanes r = now.r[j].of[u], kept = r * before[j].of[u];
            Lanes through = weight[2 * H * INPUTS + 1 + j] * slope[2 * H];
            for (int a = 1; a < H; ++a) through += weight[(2 * H + a) * INPUTS + 1 + j] * slope[2 * H + a];
            slope[H + j] = through * kept * (1.0f - r);
            state[j] += through * r;
            slopes.kept[j].of[u] = kept;
        }
        for (int j = 0; j < H; ++j) {
            for (int a = 0; a < 2 * H; ++a) state[j] += weight[a * INPUTS + 1 + j] * slope[a];
            after[j].of[u] = state[j];
        }
        for (int a = 0; a < 3 * H; ++a) slopes.of[a].of[u] = slope[a];
    }
}

// sums[a, 0] += slope[a] θ and sums[a, 1 + i] += slope[a] h_i for a gate's units; the sums stay in registers.
void add_products(const Numbers* slope, const Numbers& value, const Numbers* state, Lanes* sums) {
    Lanes own[H][INPUTS];
    for (int a = 0; a < H; ++a)
        for (int i = 0; i < INPUTS; ++i) own[a][i] = sums[a * INPUTS + i];
    for (int u = 0; u < GROUP; ++u)
        for (int a = 0; a < H; ++a) {
            const Lanes by = slope[a].of[u];
            own[a][0] += by * value.of[u];
            for (int i = 0; i < H; ++i) own[a][1 + i] += by * state[i].of[u];
        }
    for (int a = 0; a < H; ++a)
        for (int i = 0; i < INPUTS; ++i) sums[a * INPUTS + i] = own[a][i];
}

// The same for the read-out: w, b and s.
void add_read(const Numbers& gradient, const Numbers& value, const Numbers* state, Lanes* sums) {
    for (int u = 0; u < GROUP; ++u) {
        for (int i = 0; i < H; ++i) sums[i] += gradient.of[u] * state[i].of[u];
        sums[H] += gradient.of[u];
        sums[H + 1] += gradient.of[u] * value.of[u];
    }
}

}  // namespace

extern "C" {

// Rows first to last of n. Floats: weight [D, 3H, 1+H], read [D, H + 2], which are w, b and s, and out [k - from, n, D],
// the rows after the steps from `from` on; where no later one of a row is asked for, they are 0. Without out, the state
// after the last step takes the place of that before the first.
void forward(int64_t first, int64_t last, int64_t from, int64_t residual, int64_t n, int64_t k, int64_t N, int64_t D,
             int64_t start, int64_t bfloat16, const float* table, const int64_t* order, const int64_t* rows, void* hidden,
             const uint8_t* asked, const float* weight, const float* read, float* out) {
    if (!D) return;  // a model may have no dense coordinate
    const Stored stored{k, n, N, D, start, bfloat16, table, order, rows, hidden, asked};
    const Order taken(stored, first, last);
    const Columns columns(stored);
    const int64_t floats = columns.floats();
    Block block(taken, columns.rows(), floats);
    const auto weights = columns.spread(weight, WEIGHTS, scale);
    const auto reads = out ? columns.spread(read, READ, as_it_is) : std::vector<Lanes>();
    std::vector<float> values(k * floats), states(floats * H), made(out ? k * floats : 0);
    Numbers begin_state[H];
    Step steps[2];
    for (int64_t begin = 0; begin < taken.size; begin += block.rows) {
        block.take(begin);
        for (int64_t i = 0; i < block.steps; ++i) block.load(i, values.data() + i * floats);
        for (int64_t i = block.steps; i < k; ++i) std::fill_n(made.data() + i * floats, floats, 0.0f);
        block.load_state(states.data());
        for (int64_t q = 0; q < columns.periods; ++q) {
            const Lanes* own = reads.data() + q * READ;
            columns.take_state(states.data(), q, begin_state);
            const Numbers* before = begin_state;
            for (int64_t i = 0; i < block.steps; ++i) {
                const Numbers value = columns.take(values.data() + i * floats, q);
                Step& now = steps[i % 2];
                step(weights.data() + q * WEIGHTS, value, before, now);
                before = now.state;
                if (!out || i < from) continue;
                Numbers result;
                for (int u = 0; u < GROUP; ++u) {
                    Lanes sum = own[H];
                    for (int j = 0; j < H; ++j) sum += own[j] * now.state[j].of[u];
                    result.of[u] = residual ? value.of[u] + value.of[u] * own[H + 1] + sum : sum;
                }
                columns.put_back(made.data() + i * floats, q, result);
            }
            if (!out) columns.put_state(states.data(), q, before);
        }
        if (!out) block.store_state(states.data());
        for (int64_t i = from; out && i < k; ++i) block.store_beside(made.data() + i * floats, out + (i - from) * n * D);
    }
}

// The same rows; gradient [k, n, D] is that of out. Adds to by_weight and by_read, doubles of the shapes of weight and read.
void backward(int64_t first, int64_t last, int64_t n, int64_t k, int64_t N, int64_t D, int64_t start, int64_t bfloat16,
              const float* table, const int64_t* order, const int64_t* rows, void* hidden, const uint8_t* asked,
              const float* weight, const float* read, const float* gradient, double* by_weight, double* by_read) {
    if (!D) return;  // a model may have no dense coordinate
    const Stored stored{k, n, N, D, start, bfloat16, table, order, rows, hidden, asked};
    const Order taken(stored, first, last);
    const Columns columns(stored);
    const int64_t floats = columns.floats();
    Block block(taken, columns.rows(), floats);
    const auto scaled = columns.spread(weight, WEIGHTS, scale), weights = columns.spread(weight, WEIGHTS, as_it_is);
    const auto reads = columns.spread(read, READ, as_it_is);
    std::vector<Lanes> of_weight(columns.periods * WEIGHTS), of_read(columns.periods * READ);
    std::vector<float> values(k * floats), states(floats * H), slope(k * floats);
    std::vector<Step> steps(k);
    Numbers begin_state[H], after[H];
    Slopes slopes;
    constexpr int64_t TOGETHER = 8;  // blocks whose products are added up in single precision
    for (int64_t begin = 0, number = 1; begin < taken.size; begin += block.rows, ++number) {
        block.take(begin);
        for (int64_t i = 0; i < block.steps; ++i) {
            block.load(i, values.data() + i * floats);
            block.load_beside(gradient + i * n * D, slope.data() + i * floats);
        }
        block.load_state(states.data());
        for (int64_t q = 0; q < columns.periods; ++q) {
            const Lanes* own = weights.data() + q * WEIGHTS;
            Lanes* sums = of_weight.data() + q * WEIGHTS;
            columns.take_state(states.data(), q, begin_state);
            for (int64_t i = 0; i < block.steps; ++i)
                step(scaled.data() + q * WEIGHTS, columns.take(values.data() + i * floats, q),
                     i ? steps[i - 1].state : begin_state, steps[i]);
            std::fill_n(after, H, Numbers{});  // what later steps say of the state after step i
            for (int64_t i = block.steps - 1; i >= 0; --i) {
                const Numbers* before = i ? steps[i - 1].state : begin_state;
                const Numbers value = columns.take(values.data() + i * floats, q);
                const Numbers given = columns.take(slope.data() + i * floats, q);
                add_read(given, value, steps[i].state, of_read.data() + q * READ);
                step_back(own, reads.data() + q * READ, given, before, steps[i], after, slopes);
                for (int gate = 0; gate < 3; ++gate)
                    add_products(slopes.of + gate * H, value, gate < 2 ? before : slopes.kept, sums + gate * H * INPUTS);
            }
        }
        if (number % TOGETHER && begin + block.rows < taken.size) continue;
        columns.collect(of_weight, WEIGHTS, by_weight);
        columns.collect(of_read, READ, by_read);
    }
}
}
