// The distinct ones among ids, ascending, and the place of each id among them, without sorting.
//
// ids      4 2 4 9
// marks    . . 1 . 1 . . . . 1        a bit for each row of the table, in words of 64
// before   [0] …                      marks before each word: place = before[word] + marks below the id in its word

#include <cstdint>

extern "C" {

// Marks the ids. Gives how many distinct ones there are, or -1 if one is not in the table.
//
// marks: zeros, [(table_rows + 63) / 64]; before: as many.
int64_t mark(int64_t count, int64_t table_rows, const int64_t* ids, uint64_t* marks, int64_t* before) {
    for (int64_t n = 0; n < count; ++n) {
        const int64_t id = ids[n];
        if (id < 0 || id >= table_rows) return -1;
        marks[id >> 6] |= uint64_t{1} << (id & 63);
    }
    int64_t sum = 0;
    for (int64_t word = 0; word < (table_rows + 63) / 64; ++word) {
        before[word] = sum;
        sum += __builtin_popcountll(marks[word]);
    }
    return sum;
}

// The distinct ids, ascending.
void distinct(int64_t table_rows, const uint64_t* marks, int64_t* rows) {
    for (int64_t word = 0; word < (table_rows + 63) / 64; ++word) {
        for (uint64_t left = marks[word]; left; left &= left - 1) *rows++ = word * 64 + __builtin_ctzll(left);
    }
}

// The place of each id among them.
void places(int64_t count, const int64_t* ids, const uint64_t* marks, const int64_t* before, int64_t* found) {
    for (int64_t n = 0; n < count; ++n) {
        const int64_t id = ids[n];
        const uint64_t below = (uint64_t{1} << (id & 63)) - 1;
        found[n] = before[id >> 6] + __builtin_popcountll(marks[id >> 6] & below);
    }
}
}
