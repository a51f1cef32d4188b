// Cuts delimited text, in which nothing is quoted, into columns of fields.
//
//     a , b c \n d , , \n        marks       the places of delimiters and line ends
//       ^     ^    ^ ^ ^         fields      between two of them
//
// Every line has to have as many fields as the table. The marks are looked for without a branch, some lines at a time.

#include "arrow.h"

#include <algorithm>
#include <memory>

namespace {

using arrow::View;

constexpr int64_t kPiece = 1 << 13;  // bytes whose marks are looked for at once, which stay in the cache
enum : uint8_t { kOther = 0, kMark = 1, kFault = 2 };

// What one column of a block holds, until Arrow lets go of it.
struct Fields {
    std::unique_ptr<View[]> views;
    std::vector<char> longer;
    const void* buffers[4];
    int64_t size;

    explicit Fields(int64_t rows) : views(new View[rows]) {}

    void add(int64_t row, const char* text, uint32_t length, bool inside) {
        View& view = views[row];
        if (length > arrow::kInView) {
            view.length = length;
            std::memcpy(view.text, text, 4);
            view.buffer = 0;
            view.offset = static_cast<uint32_t>(longer.size());
            longer.insert(longer.end(), text, text + length);
            return;
        }
        // Always as many bytes, of which the unused ones become 0, take less time than as many as there are.
        uint64_t begin = 0;
        uint32_t end = 0;
        if (inside) {
            std::memcpy(&begin, text, 8);
            std::memcpy(&end, text + 8, 4);
            begin &= length >= 8 ? ~uint64_t{0} : (uint64_t{1} << (8 * length)) - 1;
            end &= length == 12 ? ~uint32_t{0} : length > 8 ? (uint32_t{1} << (8 * (length - 8))) - 1 : 0;
        } else {
            char bytes[arrow::kInView] = {};
            std::memcpy(bytes, text, length);
            std::memcpy(&begin, bytes, 8);
            std::memcpy(&end, bytes + 8, 4);
        }
        view.length = length;
        std::memcpy(view.text, &begin, 8);
        view.offset = end;
    }
};

void release_schema(ArrowSchema* schema) { schema->release = nullptr; }

void release_array(ArrowArray* array) {
    delete static_cast<Fields*>(array->private_data);
    array->release = nullptr;
}

void hand_over(std::unique_ptr<Fields> fields, int64_t rows, ArrowSchema* schema, ArrowArray* array) {
    *schema = ArrowSchema{arrow::kTexts, "", nullptr, 0, 0, nullptr, nullptr, release_schema, nullptr};
    fields->longer.shrink_to_fit();
    fields->size = static_cast<int64_t>(fields->longer.size());
    const void** buffers = fields->buffers;
    *buffers++ = nullptr;  // all texts are there
    *buffers++ = fields->views.get();
    if (fields->size) *buffers++ = fields->longer.data();
    *buffers++ = &fields->size;
    const int64_t count = buffers - fields->buffers;
    *array = ArrowArray{rows, 0, 0, count, 0, fields->buffers, nullptr, nullptr, release_array, fields.release()};
}

}  // namespace

extern "C" {

// Cuts whole lines, of which the last may lack its end. faults are characters with which nothing is cut, and so it is
// where a line has more fields or fewer. Gives the number of lines, or -1 where nothing is cut.
int64_t cut(const char* text, int64_t size, char delimiter, const char* faults, int32_t fault_count, int32_t columns,
            ArrowSchema* schemas, ArrowArray* arrays) {
    const bool ended = size > 0 && text[size - 1] == '\n';
    const int64_t rows = std::count(text, text + size, '\n') + !ended;
    uint8_t kinds[256] = {};
    for (int32_t fault = 0; fault < fault_count; ++fault) kinds[static_cast<uint8_t>(faults[fault])] = kFault;
    kinds[static_cast<uint8_t>(delimiter)] |= kMark;
    kinds[static_cast<uint8_t>('\n')] |= kMark;

    std::vector<std::unique_ptr<Fields>> fields;
    for (int32_t column = 0; column < columns; ++column) fields.push_back(std::make_unique<Fields>(rows));
    // The marks begin with the line end before the first of the lines that are not cut yet.
    std::vector<int64_t> marks(kPiece + columns + 2);
    int64_t found = 1, row = 0;
    marks[0] = -1;
    for (int64_t begin = 0; begin < size; begin += kPiece) {
        const int64_t end = std::min(size, begin + kPiece);
        if (marks.size() < static_cast<std::size_t>(found + kPiece + 1)) marks.resize(found + kPiece + 1);
        uint8_t seen = 0;
        for (int64_t at = begin; at < end; ++at) {
            const uint8_t kind = kinds[static_cast<uint8_t>(text[at])];
            marks[found] = at;
            found += kind & kMark;
            seen |= kind;
        }
        if (seen & kFault) return -1;
        if (end == size && !ended) marks[found++] = size;
        const int64_t lines = (found - 1) / columns;
        for (int64_t line = 1; line <= lines; ++line) {
            const int64_t last = marks[line * columns];
            if (last < size && text[last] != '\n') return -1;
        }
        for (int32_t column = 0; column < columns; ++column) {
            Fields& into = *fields[column];
            const int64_t* mark = marks.data() + column;
            for (int64_t line = 0; line < lines; ++line, mark += columns) {
                // The last line's last fields are the only ones with too few bytes after them.
                const bool inside = mark[0] + 1 + static_cast<int64_t>(arrow::kInView) <= size;
                if (column + 1 < columns && text[mark[1]] != delimiter) return -1;
                into.add(row + line, text + mark[0] + 1, static_cast<uint32_t>(mark[1] - mark[0] - 1), inside);
            }
        }
        row += lines;
        std::copy(marks.begin() + lines * columns, marks.begin() + found, marks.begin());
        found -= lines * columns;
    }
    if (row != rows || found != 1) return -1;
    for (int32_t column = 0; column < columns; ++column) {
        hand_over(std::move(fields[column]), rows, schemas + column, arrays + column);
    }
    return rows;
}
}
