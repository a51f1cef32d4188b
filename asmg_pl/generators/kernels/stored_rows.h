// Rows where they stand in a history, read a block at a time into buffers in which they stand one after the other.
//
// STATE, the size H of a coordinate's state, is given when a file with this one is compiled.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "lanes.h"

namespace {

constexpr int H = STATE;

// Where rows stand: the table in slots of N rows of D floats, of which k in `order` are read, and the state, float or bfloat16
// [N, D, H], or null where it is 0. Row b of n is row `rows[b]` of the table or, if there are no row numbers, row `start + b`.
// asked [k, n] tells after which snapshots a row is read, or is null where it is after all of them.
struct Stored {
    int64_t k, n, N, D, start, bfloat16;
    const float* table;
    const int64_t *order, *rows;
    void* hidden;
    const uint8_t* asked;

    int64_t place(int64_t row) const { return rows ? rows[row] : start + row; }

    // The snapshots that a row needs: those up to the last one after which it is read.
    int64_t needed(int64_t row) const {
        int64_t steps = k;
        while (asked && steps && !asked[(steps - 1) * n + row]) --steps;
        return steps;
    }
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

inline void copy(float* to, const float* from, int64_t count) {
    int64_t i = 0;
    for (; i + LANES <= count; i += LANES) put(to + i, lanes_at(from + i));
    for (; i + LANES / 2 <= count; i += LANES / 2) std::memcpy(to + i, from + i, LANES / 2 * sizeof *to);
    for (; i < count; ++i) to[i] = from[i];
}

// The rows first to last of a call in the order in which they are taken: rows that need as many snapshots come together.
class Order {
  public:
    Order(const Stored& stored, int64_t first, int64_t last) : of(stored), first(first), size(last - first) {
        if (!of.asked) return;
        std::vector<int64_t> ends(of.k + 2, 0);  // by the number of snapshots, the largest first
        for (int64_t row = first; row < last; ++row) ++ends[of.k - of.needed(row) + 1];
        for (int64_t s = 0; s <= of.k; ++s) ends[s + 1] += ends[s];
        rows.resize(size);
        for (int64_t row = first; row < last; ++row) rows[ends[of.k - of.needed(row)]++] = row;
    }
    int64_t row(int64_t place) const { return of.asked ? rows[place] : first + place; }

    const Stored& of;
    const int64_t first, size;

  private:
    std::vector<int64_t> rows;
};

// A block of rows; what lies beyond the last one is 0.
class Block {
  public:
    // Blocks of at most so many rows, whose buffers take so many floats for D numbers a row.
    Block(const Order& order, int64_t rows, int64_t floats) : order(order), of(order.of), rows(rows), floats(floats) {}

    void take(int64_t from) {
        begin = from;
        count = std::min(rows, order.size - begin);
        steps = of.needed(order.row(begin));
        fetch(begin + 4 * rows);
    }

    // The rows in a snapshot.
    void load(int64_t step, float* to) const {
        gather(of.table + of.order[step] * of.N * of.D, !of.rows, to);
    }
    // Rows [n, D] that stand in the order of the call.
    void load_beside(const float* from, float* to) const {
        for (int64_t b = 0; b < count; ++b) copy(to + b * of.D, from + order.row(begin + b) * of.D, of.D);
        clear(to);
    }
    void store_beside(const float* from, float* to) const {
        for (int64_t b = 0; b < count; ++b) copy(to + order.row(begin + b) * of.D, from + b * of.D, of.D);
    }
    void load_state(float* to) const {
        const int64_t size = of.D * H;
        for (int64_t b = 0; of.hidden && b < count; ++b) {
            const int64_t at = of.place(order.row(begin + b)) * size;
            if (of.bfloat16)
                for (int64_t i = 0; i < size; ++i) to[b * size + i] = widened(static_cast<uint16_t*>(of.hidden)[at + i]);
            else
                copy(to + b * size, static_cast<float*>(of.hidden) + at, size);
        }
        if (!of.hidden || count < rows) std::fill(to + (of.hidden ? count * size : 0), to + floats * H, 0.0f);
    }
    void store_state(const float* from) const {
        const int64_t size = of.D * H;
        for (int64_t b = 0; b < count; ++b) {
            const int64_t at = of.place(order.row(begin + b)) * size;
            if (of.bfloat16)
                for (int64_t i = 0; i < size; ++i) static_cast<uint16_t*>(of.hidden)[at + i] = rounded(from[b * size + i]);
            else
                copy(static_cast<float*>(of.hidden) + at, from + b * size, size);
        }
    }

    const Order& order;
    const Stored& of;
    const int64_t rows, floats;
    int64_t begin = 0, count = 0, steps = 0;

  private:
    void gather(const float* table, bool together, float* to) const {
        if (together && !of.asked)
            copy(to, table + of.place(order.row(begin)) * of.D, count * of.D);
        else
            for (int64_t b = 0; b < count; ++b) copy(to + b * of.D, table + of.place(order.row(begin + b)) * of.D, of.D);
        clear(to);
    }
    void clear(float* to) const {
        if (count < rows) std::fill(to + count * of.D, to + floats, 0.0f);
    }

    // Ask memory for the rows of a block, so that they are near when their turn comes.
    void fetch(int64_t from) const {
        const int64_t end = std::min(from + rows, order.size), size = of.bfloat16 ? 2 : 4;
        for (int64_t b = from; b < end; b += of.rows ? 1 : end - from) {
            const int64_t at = of.place(order.row(b)) * of.D, wide = of.rows ? of.D : (end - from) * of.D;
            for (int64_t i = 0; i < of.k; ++i)
                for (int64_t d = 0; d < wide; d += LANES) __builtin_prefetch(of.table + of.order[i] * of.N * of.D + at + d);
            const char* state = static_cast<const char*>(of.hidden) + at * H * size;
            for (int64_t s = 0; of.hidden && s < wide * H * size; s += 4 * LANES) __builtin_prefetch(state + s);
        }
    }
};

}  // namespace
