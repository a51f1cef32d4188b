// Rows of a table under Adam, each of which takes the steps without a gradient when it is next needed.
//
//     advance   the steps that rows have missed, in one go: see asmg_pl/updaters/optim/idle_steps.py
//     step      one step with a gradient
//
// Sums are in double precision for a row, and in the precision of the table for a coordinate.

#include <algorithm>
#include <cmath>
#include <cstdint>
#ifdef __linux__
#include <sys/mman.h>
#endif

#ifndef TERMS
#define TERMS 6
#endif

namespace {

constexpr int64_t AHEAD = 24;    // rows whose memory is asked for before it is needed
constexpr int64_t RECENT = 256;  // numbers of missed steps whose effect is kept for the next row

// What the rows of a table have in common.
struct Table {
    int64_t width, now, horizon, powers_known;
    double rate, epsilon, log_beta, log_beta_square;
    const double* sums;    // [horizon + 1, TERMS] at most
    const double* powers;  // β₁ⁿ and β₂^(n/2) for small n, [powers_known, 2]
    int32_t* last;         // the step up to which each row has moved
    float *values, *mean, *square;
};

// Some rows of one of several tables. All of them stand one after the other, these from `begin` to `end`.
struct Some {
    const Table* table;
    int64_t begin, end;
    const int64_t* rows;
    float* numbers;  // vectors that are read, or slopes, [rows, width]
};

inline void fetch(const Table& table, int64_t row) {
    __builtin_prefetch(table.last + row, 1);
    for (int64_t d = 0; d < table.width; d += 16) {
        __builtin_prefetch(table.mean + row * table.width + d);
        __builtin_prefetch(table.square + row * table.width + d);
        __builtin_prefetch(table.values + row * table.width + d, 1);
    }
}

// What the steps from `since` to `now` do to any row that has no gradient in them.
struct Idle {
    int64_t since = -1;
    float factors[TERMS], less, less_square;

    void begin_at(const Table& table, int64_t begin) {
        since = begin;
        const int64_t steps = table.now - since;
        const bool known = steps < table.powers_known;
        const double fade = known ? table.powers[2 * steps] : std::exp(steps * table.log_beta);
        const double root = known ? table.powers[2 * steps + 1] : std::exp(0.5 * steps * table.log_beta_square);
        const double* from = table.sums + std::min(since, table.horizon) * TERMS;
        const double* to = table.sums + std::min(table.now, table.horizon) * TERMS;
        double after[TERMS], power = 1;
        for (int p = 0; p < TERMS; ++p, power *= root) after[p] = to[p] * power;
        for (int p = 0; p < TERMS; ++p) {
            factors[p] = float(table.rate * (from[p] - fade * after[0]));
            for (int k = 0; k + p + 1 < TERMS; ++k) after[k] = (1 - root) * after[k] + after[k + 1];
        }
        less = float(fade), less_square = float(root * root);
    }
};

// The same for each step at which rows stand, computed when the first of them is met; tables that have taken the same
// steps share it.
class Missed {
    Idle recent[RECENT], other;
    const Table* known = nullptr;

public:
    void turn_to(const Table& table) {
        const bool alike = known && known->now == table.now && known->rate == table.rate &&
                           known->sums == table.sums && known->log_beta_square == table.log_beta_square;
        if (known && !alike) *this = Missed();
        known = &table;
    }

    const Idle& since(const Table& table, int64_t begin) {
        const int64_t steps = table.now - begin;
        Idle& found = steps < RECENT ? recent[steps] : other;
        if (found.since != begin) found.begin_at(table, begin);
        return found;
    }
};

// Moves a row up to step `now` without a gradient.
template <int WIDTH>
inline void idle(const Table& table, Missed& missed, int64_t row) {
    const Idle& steps = missed.since(table, table.last[row]);
    const int64_t width = WIDTH ? WIDTH : table.width;
    float* value = table.values + row * width;
    float* mean = table.mean + row * width;
    float* square = table.square + row * width;
    const float epsilon = float(table.epsilon);
#pragma omp simd
    for (int64_t d = 0; d < width; ++d) {
        const float size = std::sqrt(square[d]), share = 1.0f / (size + epsilon), y = size * share;
        float sum = steps.factors[TERMS - 1];
        for (int p = TERMS - 2; p >= 0; --p) sum = sum * y + steps.factors[p];
        value[d] -= mean[d] * share * sum;
        mean[d] *= steps.less;
        square[d] *= steps.less_square;
    }
}

template <int WIDTH>
void advance_rows(const Table& table, Missed& missed, int64_t first, int64_t end, const int64_t* rows,
                  float* vectors) {
    const int64_t width = WIDTH ? WIDTH : table.width;
    for (int64_t i = first; i < end; ++i) {
        if (i + AHEAD < end) fetch(table, rows[i + AHEAD]);
        if (table.last[rows[i]] < table.now) idle<WIDTH>(table, missed, rows[i]);
        table.last[rows[i]] = int32_t(table.now);
        std::copy_n(table.values + rows[i] * width, width, vectors + i * width);
    }
}

template <int WIDTH>
void advance_all(const Table& table, int64_t first, int64_t end) {
    Missed missed;
    for (int64_t row = first; row < end; ++row) {
        if (table.last[row] == table.now) continue;
        const float* mean = table.mean + row * table.width;
        const float* square = table.square + row * table.width;
        bool moves = false;  // a row that has never had a gradient stays
        for (int64_t d = 0; d < table.width; ++d) moves |= mean[d] != 0 || square[d] != 0;
        if (moves) idle<WIDTH>(table, missed, row);
        table.last[row] = int32_t(table.now);
    }
}

template <int WIDTH>
void step_rows(const Table& table, Missed& missed, int64_t first, int64_t end, const int64_t* rows,
               const float* slopes) {
    const int64_t width = WIDTH ? WIDTH : table.width;
    const double step = double(table.now + 1);
    const double correction = std::sqrt(-std::expm1(step * table.log_beta_square));
    const float rate = float(table.rate * correction / -std::expm1(step * table.log_beta));
    const float epsilon = float(table.epsilon), gain = float(-std::expm1(table.log_beta));
    const float gain_square = float(-std::expm1(table.log_beta_square));
    for (int64_t i = first; i < end; ++i) {
        if (i + AHEAD < end) fetch(table, rows[i + AHEAD]);
        const int64_t row = rows[i];
        if (table.last[row] < table.now) idle<WIDTH>(table, missed, row);
        table.last[row] = int32_t(table.now + 1);
        const float* slope = slopes + i * width;
        float* value = table.values + row * width;
        float* mean = table.mean + row * width;
        float* square = table.square + row * width;
#pragma omp simd
        for (int64_t d = 0; d < width; ++d) {
            mean[d] += gain * (slope[d] - mean[d]);
            square[d] += gain_square * (slope[d] * slope[d] - square[d]);
            value[d] -= rate * mean[d] / (std::sqrt(square[d]) + epsilon);
        }
    }
}

// Calls go(part, missed, from, to) for those of the rows first … end - 1 that are of a part, counted within it.
template <typename Go>
inline void each_part(int64_t first, int64_t end, int64_t tables, const Some* some, Go go) {
    Missed missed;
    for (const Some* part = some; part < some + tables; ++part) {
        const int64_t from = std::max(first, part->begin), to = std::min(end, part->end);
        if (from >= to) continue;
        missed.turn_to(*part->table);
        go(*part, missed, from - part->begin, to - part->begin);
    }
}

}  // namespace

extern "C" {

// Asks the system to keep memory in pages of 2 MB, so that rows far apart are found without a walk through page tables.
// Where it does not know or grant this, nothing changes.
void in_huge_pages(int64_t bytes, void* memory) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    constexpr uintptr_t PAGE = 2 << 20;
    constexpr int COLLAPSE = 25;  // MADV_COLLAPSE since Linux 6.1: now, not some time
    const uintptr_t begin = (uintptr_t(memory) + PAGE - 1) / PAGE * PAGE;
    const uintptr_t end = (uintptr_t(memory) + uintptr_t(bytes)) / PAGE * PAGE;
    if (begin >= end) return;
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
    madvise(reinterpret_cast<void*>(begin), end - begin, COLLAPSE);
#endif
}

// Moves the rows from `first` to `end` of a table.
void advance_all(int64_t first, int64_t end, const Table* table) {
    if (table->width == 8) advance_all<8>(*table, first, end);
    else advance_all<0>(*table, first, end);
}

// Moves distinct rows of several tables, and reads their vectors: those from `first` to `end` of all of them.
void advance(int64_t first, int64_t end, int64_t tables, const Some* some) {
    each_part(first, end, tables, some, [](const Some& part, Missed& missed, int64_t from, int64_t to) {
        if (part.table->width == 8) advance_rows<8>(*part.table, missed, from, to, part.rows, part.numbers);
        else if (part.table->width == 1) advance_rows<1>(*part.table, missed, from, to, part.rows, part.numbers);
        else advance_rows<0>(*part.table, missed, from, to, part.rows, part.numbers);
    });
}

// Moves distinct rows by a step with a gradient, after the steps that they have missed.
void step(int64_t first, int64_t end, int64_t tables, const Some* some) {
    each_part(first, end, tables, some, [](const Some& part, Missed& missed, int64_t from, int64_t to) {
        if (part.table->width == 8) step_rows<8>(*part.table, missed, from, to, part.rows, part.numbers);
        else if (part.table->width == 1) step_rows<1>(*part.table, missed, from, to, part.rows, part.numbers);
        else step_rows<0>(*part.table, missed, from, to, part.rows, part.numbers);
    });
}

}  // extern "C"
