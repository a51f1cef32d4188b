// Looks at all texts of a column at once.

#include "arrow.h"

#include <limits>

namespace {

using arrow::Column;
using arrow::Texts;

constexpr double kPowers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
constexpr int kDigits = 15;  // so many make a whole number that a double holds exactly

bool is_digit(char character) { return '0' <= character && character <= '9'; }

// The number of a text such as -12 or 3.25; false for other texts. One division of exact numbers rounds once, as it should.
bool plain_number(const char* text, uint32_t length, float* number) {
    const char* end = text + length;
    const bool negative = *text == '-';
    text += negative;
    int64_t whole = 0;
    const char* begin = text;
    while (text < end && is_digit(*text)) whole = 10 * whole + (*text++ - '0');
    int64_t digits = text - begin, after = 0;
    if (digits == 0) return false;
    if (text < end && *text == '.') {
        begin = ++text;
        while (text < end && is_digit(*text)) whole = 10 * whole + (*text++ - '0');
        after = text - begin;
        if (after == 0) return false;
    }
    if (text != end || digits + after > kDigits) return false;
    const double value = static_cast<double>(whole) / kPowers[after];
    *number = static_cast<float>(negative ? -value : value);
    return true;
}

}  // namespace

extern "C" {

// Whether a text may be true or false, begin with a blank, or begin with other than ASCII; 1, 0, or -1 for no texts.
int32_t any_special(ArrowArrayStream* stream) {
    const Column column(stream);
    if (!column.sound) return -1;
    for (const ArrowArray& array : column.arrays) {
        const Texts texts = Column::texts(array);
        bool special = false;
        for (int64_t row = 0; row < texts.count; ++row) {
            const arrow::View& view = texts.views[row];
            const auto first = static_cast<unsigned char>(view.text[0]);
            const bool blank = (first <= ' ') | (first > '~');
            const char small = static_cast<char>(first | 0x20);
            const bool word = ((small == 't') & (view.length == 4)) | ((small == 'f') & (view.length == 5));
            special |= (view.length > 0) & (blank | word);
        }
        if (special) return 1;
    }
    return 0;
}

// The numbers of texts, NaN for empty and for missing ones; 1, or 0 if a text has another form, or -1 for no texts.
int32_t plain_numbers(ArrowArrayStream* stream, float* numbers) {
    const Column column(stream);
    if (!column.sound) return -1;
    for (const ArrowArray& array : column.arrays) {
        const Texts texts = Column::texts(array);
        for (int64_t row = 0; row < texts.count; ++row) {
            const uint32_t length = texts.views[row].length;
            if (length == 0 || !texts.there(row)) {
                numbers[row] = std::numeric_limits<float>::quiet_NaN();
            } else if (length > 2 * arrow::kInView || !plain_number(texts.text(row), length, numbers + row)) {
                return 0;
            }
        }
        numbers += texts.count;
    }
    return 1;
}
}
