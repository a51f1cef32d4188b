// The fields of mini-batches in one pass over their rows, forward and backward.
//
// row     user │ item and history [1+T]  │ their categories [1+T, C]
//          ▼        ▼                         ▼
// fields  user │ mean of history │ mean of its categories │ item │ mean of the item's categories      F times [D]
//
// A history's padding and an unknown category count nothing. Additions have one order, so that numbers are repeatable.

#include <cstdint>

namespace {

struct Ids {
    int64_t history, wide, width;            // T; C, 0 without categories; D
    int64_t apart;                           // how far the rows of fields, and of slopes, are apart
    int64_t users, items, categories;        // rows of the tables
    int64_t catalogued;                      // rows of the catalogue
    const int64_t *user, *item, *category;   // places in the tables: [B], [B, 1+T], [B, 1+T, C]
    const int64_t *own, *past, *length;      // items [B], histories [B, T] and their lengths [B], as the batch has them
    const int64_t *catalogue;                // the categories of all items, [items, C], -1 for none
};

// D is a constant where it is one of the usual widths, so that loops over it become vector operations.
template <int64_t W>
inline int64_t width_of(const Ids& ids) {
    return W ? W : ids.width;
}

// What a mean is made of: calls see(sum, table, place, weight) for each vector that enters a field. Sums are numbered
// as the fields are. False if an id is not in its table.
template <typename See>
inline bool each_vector(const Ids& ids, int64_t row, See see) {
    const int64_t entries = 1 + ids.history, wide = ids.wide, own_field = wide ? 3 : 2;
    const int64_t length = ids.length[row] < ids.history ? ids.length[row] : ids.history;
    const float each = 1.0f / static_cast<float>(length > 0 ? length : 1);
    const int64_t user = ids.user[row];
    if (user < 0 || user >= ids.users) return false;
    see(0, 0, user, 1.0f);
    for (int64_t t = 0; t <= length; ++t) {
        const int64_t item = ids.item[row * entries + t];
        const float weight = t ? each : 1.0f;
        if (item < 0 || item >= ids.items) return false;
        see(t ? 1 : own_field, 1, item, weight);
        if (!wide) continue;
        const int64_t named = t ? ids.past[row * ids.history + t - 1] : ids.own[row];
        if (named < 0 || named >= ids.catalogued) return false;
        const int64_t* const known = ids.catalogue + named * wide;
        const int64_t* const places = ids.category + (row * entries + t) * wide;
        int64_t count = 0;
        for (int64_t c = 0; c < wide; ++c) count += known[c] >= 0;
        for (int64_t c = 0; c < wide; ++c) {
            if (known[c] < 0) continue;
            if (places[c] < 0 || places[c] >= ids.categories) return false;
            see(t ? 2 : 4, 2, places[c], weight / static_cast<float>(count));
        }
    }
    return true;
}

template <int64_t W>
int64_t forward_rows(int64_t first, int64_t last, const Ids& ids, const float* const* tables, float* out) {
    const int64_t width = width_of<W>(ids), fields = ids.wide ? 5 : 3;
    for (int64_t row = first; row < last; ++row) {
        float* const sums = out + row * ids.apart;
        for (int64_t n = 0; n < fields * width; ++n) sums[n] = 0.0f;
        const bool found = each_vector(ids, row, [&](int64_t field, int64_t table, int64_t place, float weight) {
            const float* const from = tables[table] + place * width;
            float* const to = sums + field * width;
            for (int64_t d = 0; d < width; ++d) to[d] += weight * from[d];
        });
        if (!found) return row;
    }
    return -1;
}

template <int64_t W>
void backward_rows(int64_t rows, const Ids& ids, const float* slope, float* const* tables) {
    const int64_t width = width_of<W>(ids);
    for (int64_t row = 0; row < rows; ++row) {
        const float* const slopes = slope + row * ids.apart;
        each_vector(ids, row, [&](int64_t field, int64_t table, int64_t place, float weight) {
            if (!tables[table]) return;
            const float* const from = slopes + field * width;
            float* const to = tables[table] + place * width;
            for (int64_t d = 0; d < width; ++d) to[d] += weight * from[d];
        });
    }
}

}  // namespace

extern "C" {

// The categories of items, 0 where there is none, [items, C]. Gives -1, or the first place of an item that the catalogue
// lacks.
int64_t categories(int64_t count, int64_t catalogued, int64_t wide, const int64_t* items, const int64_t* catalogue,
                   int64_t* found) {
    for (int64_t n = 0; n < count; ++n) {
        if (items[n] < 0 || items[n] >= catalogued) return n;
        for (int64_t c = 0; c < wide; ++c) {
            const int64_t id = catalogue[items[n] * wide + c];
            found[n * wide + c] = id < 0 ? 0 : id;
        }
    }
    return -1;
}

// Fields of the rows first … last - 1, F·D numbers each. Gives -1, or the first row with an id that is not in its table.
int64_t forward(int64_t first, int64_t last, const Ids* ids, const float* const* tables, float* out) {
    switch (ids->width) {
        case 1: return forward_rows<1>(first, last, *ids, tables, out);
        case 8: return forward_rows<8>(first, last, *ids, tables, out);
        case 16: return forward_rows<16>(first, last, *ids, tables, out);
        case 32: return forward_rows<32>(first, last, *ids, tables, out);
        default: return forward_rows<0>(first, last, *ids, tables, out);
    }
}

// Adds the gradients of the vectors to those of the tables, which may be null.
void backward(int64_t rows, const Ids* ids, const float* slope, float* const* tables) {
    switch (ids->width) {
        case 1: return backward_rows<1>(rows, *ids, slope, tables);
        case 8: return backward_rows<8>(rows, *ids, slope, tables);
        case 16: return backward_rows<16>(rows, *ids, slope, tables);
        case 32: return backward_rows<32>(rows, *ids, slope, tables);
        default: return backward_rows<0>(rows, *ids, slope, tables);
    }
}
}
