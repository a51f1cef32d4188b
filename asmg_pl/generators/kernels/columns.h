// Coordinates of a block of rows in the order in which they stand, and their columns: lanes that are p vectors apart stand over
// the same columns.
//
// STATE and VECTORS, the sizes of a state and of a group, are given when a file with this one is compiled.

#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <vector>

#include "lanes.h"
#include "stored_rows.h"

namespace {

constexpr int GROUP = VECTORS;

// A number of each coordinate of a group: of vectors that stand over the same columns.
struct Numbers {
    Lanes of[GROUP];
};

// The groups of a block of rows, and weights by lane.
class Columns {
  public:
    explicit Columns(const Stored& stored) : D(stored.D), period(D / std::gcd<int64_t>(D, LANES)) {
        vectors = std::min(GROUP * period, (stored.n * D + LANES - 1) / LANES);
        periods = std::min(period, vectors);
        if (GROUP > 1) vectors = GROUP * period;
    }
    int64_t rows() const { return GROUP * period * LANES / D; }
    int64_t floats() const { return vectors * LANES; }

    // weight [D, size], times a factor of each, as [periods, size] lanes.
    template <class Factor>
    std::vector<Lanes> spread(const float* weight, int size, Factor factor) const {
        std::vector<Lanes> found(periods * size);
        for (int64_t q = 0; q < periods; ++q)
            for (int l = 0; l < LANES; ++l) {
                const float* own = weight + (q * LANES + l) % D * size;
                for (int a = 0; a < size; ++a) found[q * size + a][l] = own[a] * factor(a);
            }
        return found;
    }
    // Add sums by lane, [periods, size], to those by column, and begin anew.
    void collect(std::vector<Lanes>& sums, int size, double* total) const {
        for (int64_t q = 0; q < periods; ++q)
            for (int l = 0; l < LANES; ++l) {
                double* own = total + (q * LANES + l) % D * size;
                for (int a = 0; a < size; ++a) own[a] += sums[q * size + a][l];
            }
        std::fill(sums.begin(), sums.end(), Lanes{});
    }
    Numbers take(const float* from, int64_t q) const {
        Numbers found;
        for (int u = 0; u < GROUP; ++u) found.of[u] = lanes_at(from + (q + u * period) * LANES);
        return found;
    }
    void put_back(float* to, int64_t q, const Numbers& numbers) const {
        for (int u = 0; u < GROUP; ++u) put(to + (q + u * period) * LANES, numbers.of[u]);
    }
    void take_state(const float* from, int64_t q, Numbers* to) const {
        for (int u = 0; u < GROUP; ++u) {
            Lanes beside[H];
            const float* own = from + (q + u * period) * LANES * H;
            for (int i = 0; i < H; ++i) beside[i] = lanes_at(own + i * LANES);
            by_part(beside);
            for (int i = 0; i < H; ++i) to[i].of[u] = beside[i];
        }
    }
    void put_state(float* to, int64_t q, const Numbers* state) const {
        for (int u = 0; u < GROUP; ++u) {
            Lanes beside[H];
            float* own = to + (q + u * period) * LANES * H;
            for (int i = 0; i < H; ++i) beside[i] = state[i].of[u];
            by_lane(beside);
            for (int i = 0; i < H; ++i) put(own + i * LANES, beside[i]);
        }
    }

    const int64_t D, period;
    int64_t periods;

  private:
    int64_t vectors;
};

}  // namespace
