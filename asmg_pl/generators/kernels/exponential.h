// The exponential of the kernels, whose loops become vector operations.

#pragma once

#include <cstdint>
#include <cstring>

namespace {

// 2^x = 2^n (1 + q) with a whole n, f = x - n, |f| <= 1/2, and a polynomial for q = 2^f - 1, which keeps its digits near 0.
// Where x lies below -126 or above `most`, n is that number instead, so that nothing overflows. Not-a-number stays what it is.
struct Power {
    float whole, q;

    inline Power(float x, int32_t most) {
        constexpr float HALF = 12582912.0f;     // 1.5 * 2^23: adding it rounds to a whole number, in the last bits
        constexpr int32_t NOUGHT = 0x4b400000;  // the bits of HALF
        const float shifted = x + HALF;
        const float f = x - (shifted - HALF);
        float p = 1.339086735e-03f;
        p = p * f + 9.666373693e-03f;
        p = p * f + 5.550357104e-02f;
        p = p * f + 2.402234894e-01f;
        p = p * f + 6.931471880e-01f;
        q = p * f;
        int32_t n;
        std::memcpy(&n, &shifted, sizeof n);
        n = n < NOUGHT + most ? n : NOUGHT + most;  // limits of whole numbers take half the time of floats' limits
        n = n > NOUGHT - 126 ? n : NOUGHT - 126;
        const uint32_t bits = (uint32_t(n) + 127) << 23;
        std::memcpy(&whole, &bits, sizeof whole);
    }
};

constexpr float LOG2_E = 1.44269504f;

// 2^x, with a relative error below 2e-7; it ends at 2^125. A product must have been rounded before it is given as x.
inline float power(float x) {
    const Power e(x, 125);
    return e.whole * e.q + e.whole;
}

// 2^x - 1, which keeps its digits near 0; it ends at 2^57.
inline float power_minus_1(float x) {
    const Power e(x, 57);
    return e.whole * e.q + (e.whole - 1.0f);
}

// e^x, with a relative error below 2e-7 + 1e-7 |x|.
inline float exponential(float x) {
    const float limit = 125.5f, scaled = x * LOG2_E;
    return power(scaled > limit ? limit : (scaled < -limit ? -limit : scaled));
}

}  // namespace
