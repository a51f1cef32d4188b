// Some rows of several columns of 32 bits, written with 64 bits, column after column.

#include <cstdint>

extern "C" {

// Gives -1, or the place of a row that is not in the columns.
int64_t take(int64_t count, int64_t columns, int64_t length, const int64_t* rows, const int32_t* const* from,
             int64_t* to) {
    for (int64_t place = 0; place < count; ++place) {
        if (rows[place] < 0 || rows[place] >= length) return place;
    }
    for (int64_t column = 0; column < columns; ++column, to += count) {
        const int32_t* const values = from[column];
        for (int64_t place = 0; place < count; ++place) to[place] = values[rows[place]];
    }
    return -1;
}
}
