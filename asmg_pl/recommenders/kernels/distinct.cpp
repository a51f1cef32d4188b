// The distinct ones among ids, ascending, and the place of each id among them, without sorting; of many tables in turn.
//
// ids      4 2 4 9
// marks    . . 1 . 1 . . . . 1        a bit for each row of the table, in words of 64
// before   [0] …                      marks before each word: place = before[word] + marks below the id in its word

#include <cstdint>
#include <vector>

namespace {

struct Asked {
    int64_t count, table_rows;
    const int64_t* ids;
    int64_t *rows, *places;  // [count] each: the distinct ids, of which there may be fewer, and the place of each id
    int64_t found;           // how many distinct ids there are
};

struct Word {
    uint64_t marks;
    int64_t before;
};

bool find(Asked& asked, std::vector<Word>& words) {
    words.assign((asked.table_rows + 63) / 64, Word{0, 0});
    for (int64_t n = 0; n < asked.count; ++n) {
        const int64_t id = asked.ids[n];
        if (id < 0 || id >= asked.table_rows) return false;
        words[id >> 6].marks |= uint64_t{1} << (id & 63);
    }
    int64_t* row = asked.rows;
    for (int64_t number = 0; number < int64_t(words.size()); ++number) {
        words[number].before = row - asked.rows;
        for (uint64_t left = words[number].marks; left; left &= left - 1) {
            *row++ = number * 64 + __builtin_ctzll(left);
        }
    }
    asked.found = row - asked.rows;
    for (int64_t n = 0; n < asked.count; ++n) {
        const int64_t id = asked.ids[n];
        const Word& word = words[id >> 6];
        asked.places[n] = word.before + __builtin_popcountll(word.marks & ((uint64_t{1} << (id & 63)) - 1));
    }
    return true;
}

}  // namespace

extern "C" {

// Gives -1, or the number of a table that lacks one of its ids.
int64_t distinct(int64_t tables, Asked* asked) {
    std::vector<Word> words;
    for (int64_t table = 0; table < tables; ++table) {
        if (!find(asked[table], words)) return table;
    }
    return -1;
}
}
