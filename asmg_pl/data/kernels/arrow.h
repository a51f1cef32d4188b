// Columns of texts as Arrow's C data interface hands them from one library to another, without a copy.
//
// A text of up to 12 bytes stands in its view. A longer one stands in a buffer, and its view tells where:
//
//     length  t e x t . . . . . . . .            the unused bytes are 0
//     length  t e x t  buffer  offset

#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

struct ArrowSchema {
    const char* format;
    const char* name;
    const char* metadata;
    int64_t flags, n_children;
    ArrowSchema** children;
    ArrowSchema* dictionary;
    void (*release)(ArrowSchema*);
    void* private_data;
};

struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void** buffers;
    ArrowArray** children;
    ArrowArray* dictionary;
    void (*release)(ArrowArray*);
    void* private_data;
};

struct ArrowArrayStream {
    int (*get_schema)(ArrowArrayStream*, ArrowSchema*);
    int (*get_next)(ArrowArrayStream*, ArrowArray*);
    const char* (*get_last_error)(ArrowArrayStream*);
    void (*release)(ArrowArrayStream*);
    void* private_data;
};

namespace arrow {

constexpr const char* kTexts = "vu";
constexpr uint32_t kInView = 12;

struct View {
    uint32_t length;
    char text[4];  // all 12 bytes, or the first 4 of a longer text
    uint32_t buffer, offset;
};
static_assert(sizeof(View) == 16);

// Consecutive texts of a column.
struct Texts {
    int64_t count;
    const View* views;
    const uint8_t* valid;  // a bit for each text, from the bit `first` on; null if all are there
    int64_t first;
    const char* const* buffers;

    bool there(int64_t row) const {
        const int64_t bit = first + row;
        return valid == nullptr || (valid[bit / 8] >> (bit % 8) & 1);
    }
    const char* text(int64_t row) const {
        const View& view = views[row];
        return view.length <= kInView ? view.text : buffers[view.buffer] + view.offset;
    }
};

// All texts of a column, as long as this lives.
struct Column {
    std::vector<ArrowArray> arrays;
    bool sound = false;  // whether these are views of texts

    explicit Column(ArrowArrayStream* stream) {
        ArrowSchema schema{};
        if (stream->get_schema(stream, &schema)) return;
        sound = std::strcmp(schema.format, kTexts) == 0;
        schema.release(&schema);
        while (sound) {
            ArrowArray array{};
            sound = stream->get_next(stream, &array) == 0;
            if (!sound || array.release == nullptr) return;
            arrays.push_back(array);
        }
    }
    Column(const Column&) = delete;
    Column& operator=(const Column&) = delete;
    ~Column() {
        for (ArrowArray& array : arrays) array.release(&array);
    }

    static Texts texts(const ArrowArray& array) {
        const auto* valid = static_cast<const uint8_t*>(array.null_count == 0 ? nullptr : array.buffers[0]);
        const auto* views = static_cast<const View*>(array.buffers[1]) + array.offset;
        const auto* buffers = reinterpret_cast<const char* const*>(array.buffers + 2);
        return {array.length, views, valid, array.offset, buffers};
    }
};

}  // namespace arrow
