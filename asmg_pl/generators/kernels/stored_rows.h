// Rows where they stand in a history, read a block at a time: a column's numbers of BLOCK rows come side by side.
//
// STATE, the size H of a coordinate's state, and ROWS, those of a block, are given when a file with this one is compiled.

#pragma once

#include <cstdint>
#include <cstring>

namespace {

constexpr int H = STATE;
constexpr int BLOCK = ROWS;

using Row = float[BLOCK];

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

    // Ask memory for the rows of the next block, so that they are near when their turn comes.
    void fetch_next(int64_t last) const {
        constexpr int64_t LINE = 16;  // floats
        const int64_t next = begin + BLOCK, end = next + BLOCK < last ? next + BLOCK : last;
        for (int64_t b = next; b < end; ++b) {
            const int64_t at = of.place(b);
            for (int64_t i = 0; i < of.k; ++i)
                for (int64_t d = 0; d < of.D; d += LINE) __builtin_prefetch(of.table + of.order[i] * of.N * of.D + at + d);
            const int64_t wide = of.bfloat16 ? LINE * 2 : LINE;
            const char* state = static_cast<const char*>(of.hidden) + at * H * (64 / wide);
            for (int64_t d = 0; of.hidden && d < of.D * H; d += wide) __builtin_prefetch(state + d * (64 / wide));
        }
    }

    void load(int64_t step, int64_t column, Row& out) const {
        const float* from = of.table + of.order[step] * of.N * of.D + column;
        for (int64_t b = 0; b < count; ++b) out[b] = from[places[b]];
        for (int64_t b = count; b < BLOCK; ++b) out[b] = 0.0f;
    }
    // Calls change(where a row's state stands, row) for each row.
    template <class Number, class Change>
    void each_state(int64_t column, Change change) const {
        Number* const from = static_cast<Number*>(of.hidden) + column * H;
        for (int64_t b = 0; b < count; ++b) change(from + places[b] * H, b);
    }
    void load_state(int64_t column, Row* out) const {
        if (!of.hidden || count < BLOCK) std::memset(out, 0, H * sizeof(Row));
        if (!of.hidden) return;
        if (of.bfloat16)
            each_state<uint16_t>(column, [out](const uint16_t* from, int64_t b) {
                for (int i = 0; i < H; ++i) out[i][b] = widened(from[i]);
            });
        else
            each_state<float>(column, [out](const float* from, int64_t b) {
                for (int i = 0; i < H; ++i) out[i][b] = from[i];
            });
    }
    void store_state(const Row* in, int64_t column) const {
        if (of.bfloat16)
            each_state<uint16_t>(column, [in](uint16_t* to, int64_t b) {
                for (int i = 0; i < H; ++i) to[i] = rounded(in[i][b]);
            });
        else
            each_state<float>(column, [in](float* to, int64_t b) {
                for (int i = 0; i < H; ++i) to[i] = in[i][b];
            });
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
