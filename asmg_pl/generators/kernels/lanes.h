// Numbers that stand side by side, as many as one instruction takes; exponentials and logarithms of the kernels.

#pragma once

#include <cstdint>
#include <cstring>

#ifdef __AVX512F__
#include <immintrin.h>
#endif

namespace {

constexpr int LANES = 16;
using Lanes = float __attribute__((vector_size(4 * LANES)));
using Wholes = int32_t __attribute__((vector_size(4 * LANES)));
using Anywhere = float __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

inline Lanes lanes_at(const float* from) { return *reinterpret_cast<const Anywhere*>(from); }
inline void put(float* to, const Lanes& lanes) { *reinterpret_cast<Anywhere*>(to) = lanes; }

// Numbers that come in PARTS a lane, a0 b0 … a1 b1 …, part by part instead, a0 a1 … b0 b1 …, and the other way round. Where
// PARTS is a power of two, each round of shuffles moves the last bit of a number's place to the front, or back.
template <int PARTS>
inline void by_part(Lanes (&numbers)[PARTS]) {
    Lanes found[PARTS];
    if constexpr ((PARTS & (PARTS - 1)) == 0) {
        for (int bit = 1; bit < PARTS; bit *= 2) {
            for (int p = 0; p < PARTS / 2; ++p) {
                const Lanes a = numbers[2 * p], b = numbers[2 * p + 1];
                found[p] = __builtin_shufflevector(a, b, 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
                found[p + PARTS / 2] = __builtin_shufflevector(a, b, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
            }
            for (int p = 0; p < PARTS; ++p) numbers[p] = found[p];
        }
    } else {
        for (int at = 0; at < PARTS * LANES; ++at) found[at % PARTS][at / PARTS] = numbers[at / LANES][at % LANES];
        for (int p = 0; p < PARTS; ++p) numbers[p] = found[p];
    }
}

template <int PARTS>
inline void by_lane(Lanes (&numbers)[PARTS]) {
    Lanes found[PARTS];
    if constexpr ((PARTS & (PARTS - 1)) == 0) {
        for (int bit = 1; bit < PARTS; bit *= 2) {
            for (int p = 0; p < PARTS / 2; ++p) {
                const Lanes a = numbers[p], b = numbers[p + PARTS / 2];
                found[2 * p] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
                found[2 * p + 1] = __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            }
            for (int p = 0; p < PARTS; ++p) numbers[p] = found[p];
        }
    } else {
        for (int at = 0; at < PARTS * LANES; ++at) found[at / LANES][at % LANES] = numbers[at % PARTS][at / PARTS];
        for (int p = 0; p < PARTS; ++p) numbers[p] = found[p];
    }
}

// 1 / x of a normal number, to within its last bit or two. Where an instruction gives 14 bits of it, one step of Newton's
// method is faster than a division.
inline Lanes inverse(const Lanes& x) {
#ifdef __AVX512F__
    const Lanes near = (Lanes)_mm512_rcp14_ps((__m512)x);
    return near + near * (1.0f - x * near);
#else
    return 1.0f / x;
#endif
}

// 2^x = 2^n (1 + q) with a whole n, f = x - n, |f| <= 1/2, and a polynomial for q = 2^f - 1, which keeps its digits near 0.
// It ends at 2^60, so that a product of two is a normal number. Not-a-number stays what it is.
struct Power {
    Lanes whole, q;  // 2^n and q

    inline explicit Power(const Lanes& x) {
#ifdef __AVX512DQ__
        const __m512 least = _mm512_min_ps(_mm512_set1_ps(60.0f), (__m512)x);
        const Lanes f = (Lanes)_mm512_reduce_ps(least, 0);
        whole = (Lanes)_mm512_scalef_ps(_mm512_set1_ps(1.0f), (__m512)((Lanes)least - f));
#else
        constexpr float HALF = 12582912.0f;     // 1.5 * 2^23: adding it rounds to a whole number, in the last bits
        constexpr int32_t NOUGHT = 0x4b400000;  // the bits of HALF
        const Lanes shifted = x + HALF, f = x - (shifted - HALF);
        const Wholes highest = Wholes{} + (NOUGHT + 60), lowest = Wholes{} + (NOUGHT - 126);
        Wholes n = (Wholes)shifted;
        n = n < highest ? n : highest;  // limits of whole numbers take half the time of floats' limits
        n = n > lowest ? n : lowest;
        whole = (Lanes)((n + 127) << 23);
#endif
        Lanes p = 1.339086735e-03f * f + 9.666373693e-03f;
        p = p * f + 5.550357104e-02f;
        p = p * f + 2.402234894e-01f;
        p = p * f + 6.931471880e-01f;
        q = p * f;
    }
};

constexpr float LOG2_E = 1.44269504f;

// 2^x, with a relative error below 2e-7. A product must have been rounded before it is given as x.
inline Lanes power(const Lanes& x) {
    const Power e(x);
    return e.whole * e.q + e.whole;
}

// 2^x - 1, which keeps its digits near 0.
inline Lanes power_minus_1(const Lanes& x) {
    const Power e(x);
    return e.whole * e.q + (e.whole - 1.0f);
}

// e^x, with a relative error below 2e-7 + 1e-7 |x|.
inline Lanes exponential(const Lanes& x) {
    const Lanes scaled = x * LOG2_E, least = Lanes{} - 125.5f;
    return power(scaled < least ? least : scaled);
}

// ln x for a normal x > 0: x = 2^e m with m in [√½, √2), and ln m = 2 artanh(s) with s = (m - 1) / (m + 1).
inline float logarithm(float x) {
    int32_t bits;
    std::memcpy(&bits, &x, sizeof bits);
    const int32_t exponent = (bits - 0x3f3504f3) >> 23;
    bits -= exponent << 23;
    float m;
    std::memcpy(&m, &bits, sizeof m);
    const float s = (m - 1.0f) / (m + 1.0f), z = s * s;
    const float artanh = s * (1.0f + z * (1.0f / 3 + z * (1.0f / 5 + z * (1.0f / 7 + z * (1.0f / 9)))));
    return exponent * 0.69314718f + 2.0f * artanh;
}

}  // namespace
