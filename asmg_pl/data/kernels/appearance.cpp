// Numbers keys by first appearance.
//
// keys     70  20  70  90  20
// place     0   1   0   2   1        the number of each key
// first     0   1       3            the row where each number appears first
//
// A table of slots remembers the keys that have appeared: the first bits of a key's hash, and its number, by which the
// key itself is found. It doubles when half of its slots are taken, so that few keys need a table that stays in the
// processor's cache. What the next keys need is fetched while others are looked at.

#include "arrow.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace {

constexpr int64_t kAhead = 32;  // keys for which is fetched at once
constexpr uint64_t kSpread = 0x9E3779B97F4A7C15u;

struct Whole {
    uint64_t value;

    uint32_t hash() const { return value * kSpread >> 32; }
    bool operator==(const Whole& other) const { return value == other.value; }
};

// A text of up to 12 bytes is its view. A longer one is its length, a hash, and the address where it stands.
struct Text {
    uint32_t length, begin;
    uint64_t rest;

    static Text of(const arrow::Texts& texts, int64_t row) {
        Text key;
        std::memcpy(&key, texts.views + row, sizeof key);
        if (key.length > arrow::kInView) {
            const char* text = texts.text(row);
            uint64_t mixed = 0;
            for (uint32_t at = 0; at < key.length; at += 8) {
                uint64_t piece = 0;
                std::memcpy(&piece, text + at, std::min<uint32_t>(8, key.length - at));
                mixed = (mixed ^ piece) * kSpread;
                mixed ^= mixed >> 32;
            }
            key.begin = static_cast<uint32_t>(mixed);
            key.rest = reinterpret_cast<uint64_t>(text);
        }
        return key;
    }
    uint32_t hash() const {
        const uint64_t further = length > arrow::kInView ? 0 : rest;
        const uint64_t mixed = ((uint64_t{begin} << 32 | length) ^ (further * kSpread)) * kSpread;
        return (mixed ^ (mixed >> 29)) * kSpread >> 32;
    }
    bool operator==(const Text& other) const {
        if (length != other.length || begin != other.begin) return false;
        if (rest == other.rest) return true;
        return length > arrow::kInView && std::memcmp(address(), other.address(), length) == 0;
    }

  private:
    const char* address() const { return reinterpret_cast<const char*>(rest); }
};

template <class Key>
class Table {
    struct Slot {
        uint32_t hash;
        int32_t number;  // -1 in a free slot
    };
    std::vector<Slot> slots;
    std::vector<Key> keys;  // by number
    int shift;

    static std::vector<Slot> free_slots(int bits) { return {std::size_t{1} << bits, Slot{0, -1}}; }

    Slot& next(Slot& slot) { return &slot == &slots.back() ? slots.front() : *(&slot + 1); }

    // The slot of a key, or the free slot where it would stand.
    Slot& find(const Key& key, uint32_t hash) {
        Slot* slot = &slots[hash >> shift];
        while (slot->number >= 0 && !(slot->hash == hash && keys[slot->number] == key)) slot = &next(*slot);
        return *slot;
    }

    void grow() {
        const std::vector<Slot> smaller = std::move(slots);
        slots = free_slots(32 - --shift);
        for (const Slot& taken : smaller) {
            if (taken.number < 0) continue;
            Slot* slot = &slots[taken.hash >> shift];
            while (slot->number >= 0) slot = &next(*slot);
            *slot = taken;
        }
    }

  public:
    Table() : slots(free_slots(12)), shift(32 - 12) {}

    int64_t distinct() const { return static_cast<int64_t>(keys.size()); }

    // Numbers the keys of the rows from `begin` on; key(row) counts from 0.
    template <class Keys>
    void number(int64_t begin, int64_t count, Keys key, int32_t* place, int64_t* first) {
        Key some[kAhead];
        uint32_t hashes[kAhead];
        for (int64_t from = 0; from < count; from += kAhead) {
            const int64_t size = std::min(kAhead, count - from);
            for (int64_t at = 0; at < size; ++at) {
                some[at] = key(from + at);
                hashes[at] = some[at].hash();
                __builtin_prefetch(&slots[hashes[at] >> shift]);
            }
            for (int64_t at = 0; at < size; ++at) {
                const Slot& slot = slots[hashes[at] >> shift];
                if (slot.number >= 0) __builtin_prefetch(&keys[slot.number]);
            }
            for (int64_t at = 0; at < size; ++at) {
                Slot* slot = &find(some[at], hashes[at]);
                const int64_t row = begin + from + at;
                if (slot->number < 0) {
                    *slot = Slot{hashes[at], static_cast<int32_t>(keys.size())};
                    first[keys.size()] = row;
                    keys.push_back(some[at]);
                    place[row] = slot->number;
                    if (2 * keys.size() > slots.size()) grow();
                } else {
                    place[row] = slot->number;
                }
            }
        }
    }
};

}  // namespace

extern "C" {

// Both give how many distinct keys there are. place and first have as many elements as keys.
int64_t number(int64_t count, const uint64_t* keys, int32_t* place, int64_t* first) {
    Table<Whole> table;
    table.number(0, count, [keys](int64_t row) { return Whole{keys[row]}; }, place, first);
    return table.distinct();
}

// It gives -1 where these are no texts.
int64_t number_texts(ArrowArrayStream* stream, int32_t* place, int64_t* first) {
    const arrow::Column column(stream);
    if (!column.sound) return -1;
    Table<Text> table;
    int64_t begin = 0;
    for (const ArrowArray& array : column.arrays) {
        const arrow::Texts texts = arrow::Column::texts(array);
        table.number(begin, texts.count, [&](int64_t row) { return Text::of(texts, row); }, place, first);
        begin += texts.count;
    }
    return table.distinct();
}
}
