// The distinct ones among ids, ascending, and the place of each id among them, without sorting; of many tables in turn.
//
// ids      4 2 4 9
// marks    . . 1 . 1 . . . . 1        a bit for each row of the table, in words of 64
// full     1                          a bit for each of these words that has a mark, since most of them have none
// before   0                          marks before each such word: place = before[word] + marks below the id in its word

#include <cstdint>
#include <vector>

namespace {

struct Asked {
    int64_t count, table_rows;
    const int64_t* ids;
    int64_t *rows, *places;  // [count] each: the distinct ids, of which there may be fewer, and the place of each id
    int64_t found;           // how many distinct ids there are
};

struct Words {
    std::vector<uint64_t> marks, full;
    std::vector<int32_t> before;
};

// Calls see(place) for each bit of a word that is set, from the lowest on.
template <typename See>
inline void each_bit(uint64_t word, int64_t first, See see) {
    for (; word; word &= word - 1) see(first + __builtin_ctzll(word));
}

bool find(Asked& asked, Words& words) {
    const int64_t count = (asked.table_rows + 63) / 64;
    words.marks.assign(count, 0), words.full.assign((count + 63) / 64, 0);
    words.before.resize(count);
    for (int64_t n = 0; n < asked.count; ++n) {
        const int64_t id = asked.ids[n];
        if (id < 0 || id >= asked.table_rows) return false;
        words.marks[id >> 6] |= uint64_t{1} << (id & 63);
        words.full[id >> 12] |= uint64_t{1} << ((id >> 6) & 63);
    }
    int64_t* row = asked.rows;
    for (int64_t many = 0; many < int64_t(words.full.size()); ++many) {
        each_bit(words.full[many], many * 64, [&](int64_t word) {
            words.before[word] = int32_t(row - asked.rows);
            each_bit(words.marks[word], word * 64, [&](int64_t id) { *row++ = id; });
        });
    }
    asked.found = row - asked.rows;
    for (int64_t n = 0; n < asked.count; ++n) {
        const int64_t id = asked.ids[n];
        const uint64_t below = (uint64_t{1} << (id & 63)) - 1;
        asked.places[n] = words.before[id >> 6] + __builtin_popcountll(words.marks[id >> 6] & below);
    }
    return true;
}

}  // namespace

extern "C" {

// Gives -1, or the number of a table that lacks one of its ids.
int64_t distinct(int64_t tables, Asked* asked) {
    Words words;
    for (int64_t table = 0; table < tables; ++table) {
        if (!find(asked[table], words)) return table;
    }
    return -1;
}
}
