// Numbers keys by first appearance.
//
// keys     70  20  70  90  20
// place     0   1   0   2   1        the number of each key
// first     0   1       3            the row where each number appears first
//
// A table of slots remembers the keys that have appeared. It doubles when half of its slots are taken, so that few keys
// need a table that stays in the processor's cache.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace {

struct Slot {
    uint64_t key;
    int32_t number;  // -1 in a free slot
};

struct Table {
    std::vector<Slot> slots;
    int shift;

    explicit Table(int bits) : slots(std::size_t{1} << bits, Slot{0, -1}), shift(64 - bits) {}

    // The slot of a key, or the free slot where it would stand.
    Slot& find(uint64_t key) {
        const std::size_t last = slots.size() - 1;
        std::size_t at = (key * 0x9E3779B97F4A7C15u) >> shift;
        while (slots[at].number >= 0 && slots[at].key != key) at = (at + 1) & last;
        return slots[at];
    }

    void grow() {
        Table larger(64 - shift + 1);
        for (const Slot& slot : slots) {
            if (slot.number >= 0) larger.find(slot.key) = slot;
        }
        slots.swap(larger.slots);
        shift = larger.shift;
    }
};

}  // namespace

extern "C" {

// Gives how many distinct keys there are. place and first have as many elements as keys.
int64_t number(int64_t count, const uint64_t* keys, int32_t* place, int64_t* first) {
    Table table(12);
    int64_t distinct = 0;
    for (int64_t row = 0; row < count; ++row) {
        Slot* slot = &table.find(keys[row]);
        if (slot->number < 0) {
            *slot = Slot{keys[row], static_cast<int32_t>(distinct)};
            first[distinct++] = row;
            place[row] = static_cast<int32_t>(distinct - 1);
            if (2 * static_cast<std::size_t>(distinct) > table.slots.size()) table.grow();
        } else {
            place[row] = slot->number;
        }
    }
    return distinct;
}
}
