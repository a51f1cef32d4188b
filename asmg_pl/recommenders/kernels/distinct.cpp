// The distinct ones among ids, ascending, and the place of each id among them; of many tables in turn.
//
// ids      4 2 4 9
// marks    . . 1 . 1 . . . . 1        a bit for each row of the table, in words of 64
// full     1                          a bit for each of these words that has a mark, since most of them have none
// before   0                          marks before each such word: place = before[word] + marks below the id in its word
//
// A table with very many rows for each id has too many words to go over: there the ids are sorted, digit by digit.

#include <algorithm>
#include <cstdint>
#include <vector>

namespace {

constexpr int64_t MOST_ROWS_PER_ID = 256;  // of a table that has marks

struct Asked {
    int64_t count, apart, table_rows;  // how many ids there are, and how far they are apart
    const int64_t* ids;
    int64_t found;                     // how many distinct ids there are
};

struct Words {
    std::vector<uint64_t> marks, full;
    std::vector<int32_t> before;
    std::vector<uint64_t> sorted, other;  // of each id itself, above 32 bits that tell where it stands
};

// Calls see(place) for each bit of a word that is set, from the lowest on.
template <typename See>
inline void each_bit(uint64_t word, int64_t first, See see) {
    for (; word; word &= word - 1) see(first + __builtin_ctzll(word));
}

void mark(Asked& asked, Words& words, int64_t* rows, int64_t* places) {
    const int64_t count = (asked.table_rows + 63) / 64;
    words.marks.assign(count, 0), words.full.assign((count + 63) / 64, 0);
    words.before.resize(count);
    for (int64_t n = 0; n < asked.count; ++n) {
        const int64_t id = asked.ids[n * asked.apart];
        words.marks[id >> 6] |= uint64_t{1} << (id & 63);
        words.full[id >> 12] |= uint64_t{1} << ((id >> 6) & 63);
    }
    int64_t* row = rows;
    for (int64_t many = 0; many < int64_t(words.full.size()); ++many) {
        each_bit(words.full[many], many * 64, [&](int64_t word) {
            words.before[word] = int32_t(row - rows);
            each_bit(words.marks[word], word * 64, [&](int64_t id) { *row++ = id; });
        });
    }
    asked.found = row - rows;
    for (int64_t n = 0; n < asked.count; ++n) {
        const int64_t id = asked.ids[n * asked.apart];
        const uint64_t below = (uint64_t{1} << (id & 63)) - 1;
        places[n] = words.before[id >> 6] + __builtin_popcountll(words.marks[id >> 6] & below);
    }
}

void sort(Asked& asked, Words& words, int64_t largest, int64_t* rows, int64_t* places) {
    constexpr int BITS = 11, DIGITS = 1 << BITS;
    const int64_t count = asked.count;
    words.sorted.resize(count), words.other.resize(count);
    for (int64_t n = 0; n < count; ++n) words.sorted[n] = uint64_t(asked.ids[n * asked.apart]) << 32 | uint64_t(n);
    for (int shift = 0; largest >> shift; shift += BITS) {
        const auto digit = [shift](uint64_t each) { return (each >> (32 + shift)) & (DIGITS - 1); };
        int32_t start[DIGITS + 1] = {};
        for (int64_t n = 0; n < count; ++n) ++start[digit(words.sorted[n]) + 1];
        for (int place = 0; place < DIGITS; ++place) start[place + 1] += start[place];
        for (int64_t n = 0; n < count; ++n) words.other[start[digit(words.sorted[n])]++] = words.sorted[n];
        words.sorted.swap(words.other);
    }
    int64_t found = 0;
    for (int64_t n = 0; n < count; ++n) {
        const int64_t id = int64_t(words.sorted[n] >> 32);
        if (!found || rows[found - 1] != id) rows[found++] = id;
        places[words.sorted[n] & 0xffffffff] = found - 1;
    }
    asked.found = found;
}

}  // namespace

extern "C" {

// `rows` gets the distinct ids of the tables one after the other, and `places` the places of their ids likewise. Gives
// -1, or the number of a table that lacks one of its ids.
int64_t distinct(int64_t tables, Asked* asked, int64_t* rows, int64_t* places) {
    Words words;
    for (int64_t table = 0; table < tables; ++table) {
        Asked& each = asked[table];
        int64_t smallest = 0, largest = 0;
        for (int64_t n = 0; n < each.count; ++n) {
            smallest = std::min(smallest, each.ids[n * each.apart]);
            largest = std::max(largest, each.ids[n * each.apart]);
        }
        if (each.count && (smallest < 0 || largest >= each.table_rows)) return table;
        if (each.table_rows <= MOST_ROWS_PER_ID * each.count) mark(each, words, rows, places);
        else sort(each, words, largest, rows, places);
        rows += each.found, places += each.count;
    }
    return -1;
}
}
