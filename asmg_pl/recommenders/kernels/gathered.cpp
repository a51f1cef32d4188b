// A vector of each of F tables for every row of a mini-batch, side by side, and the gradients of the tables.
//
// row    id │ id │ … │ id           F ids, one for each table
//         ▼    ▼       ▼
// out    [D] │[D]│ … │[D]           rows with the same id add to one row of a gradient, in the order of the mini-batch
//
// A few rows are gone over for all fields before the next ones, so that what is written stays near.

#include <algorithm>
#include <cstdint>

namespace {

constexpr int64_t NEAR = 16;  // rows at a time

struct Ids {
    int64_t rows, fields, width;    // B, F, D
    int64_t wide;                   // how far the rows of vectors, and of slopes, are apart
    const int64_t* const* places;   // of each field: where its ids begin
    const int64_t *apart, *lengths; // of each field: how far its ids are apart, and how many rows its table has
};

// D is a constant where it is one of the usual widths, so that loops over it become vector operations.
template <int64_t W>
int64_t gather_rows(const Ids& ids, const float* const* tables, float* out) {
    const int64_t width = W ? W : ids.width;
    for (int64_t first = 0; first < ids.rows; first += NEAR) {
        const int64_t end = std::min(first + NEAR, ids.rows);
        for (int64_t field = 0; field < ids.fields; ++field) {
            const float* const table = tables[field];
            for (int64_t row = first; row < end; ++row) {
                const int64_t place = ids.places[field][row * ids.apart[field]];
                if (place < 0 || place >= ids.lengths[field]) return row;
                float* const to = out + row * ids.wide + field * width;
                for (int64_t d = 0; d < width; ++d) to[d] = table[place * width + d];
            }
        }
    }
    return -1;
}

template <int64_t W>
void add_rows(const Ids& ids, const float* slope, float* const* gradients) {
    const int64_t width = W ? W : ids.width;
    for (int64_t first = 0; first < ids.rows; first += NEAR) {
        const int64_t end = std::min(first + NEAR, ids.rows);
        for (int64_t field = 0; field < ids.fields; ++field) {
            if (!gradients[field]) continue;
            for (int64_t row = first; row < end; ++row) {
                const int64_t place = ids.places[field][row * ids.apart[field]];
                const float* const from = slope + row * ids.wide + field * width;
                float* const to = gradients[field] + place * width;
                for (int64_t d = 0; d < width; ++d) to[d] += from[d];
            }
        }
    }
}

}  // namespace

extern "C" {

// Vectors, F·D numbers of each row. Gives -1, or a row with an id that is not in its table.
int64_t gather(const Ids* ids, const float* const* tables, float* out) {
    switch (ids->width) {
        case 1: return gather_rows<1>(*ids, tables, out);
        case 8: return gather_rows<8>(*ids, tables, out);
        case 16: return gather_rows<16>(*ids, tables, out);
        case 32: return gather_rows<32>(*ids, tables, out);
        default: return gather_rows<0>(*ids, tables, out);
    }
}

// Adds the gradients of the vectors to those of the tables, which may be null.
void add(const Ids* ids, const float* slope, float* const* gradients) {
    switch (ids->width) {
        case 1: return add_rows<1>(*ids, slope, gradients);
        case 8: return add_rows<8>(*ids, slope, gradients);
        case 16: return add_rows<16>(*ids, slope, gradients);
        case 32: return add_rows<32>(*ids, slope, gradients);
        default: return add_rows<0>(*ids, slope, gradients);
    }
}
}
