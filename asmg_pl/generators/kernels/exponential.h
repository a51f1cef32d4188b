// The exponential of the kernels, whose loops become vector operations.

#pragma once

#include <cstdint>
#include <cstring>

namespace {

// 2^x = 2^n (1 + q) with a whole n, f = x - n, |f| <= 1/2, and a polynomial for q = 2^f - 1, which keeps its digits near 0.
struct Power {
    float whole, q;

    explicit inline Power(float x) {
        const float shifted = x + 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
        const float f = x - (shifted - 12582912.0f);
        float p = 1.339086735e-03f;
        p = p * f + 9.666373693e-03f;
        p = p * f + 5.550357104e-02f;
        p = p * f + 2.402234894e-01f;
        p = p * f + 6.931471880e-01f;
        q = p * f;
        int32_t n;
        std::memcpy(&n, &shifted, sizeof n);
        const int32_t bits = (n + 127) << 23;
        std::memcpy(&whole, &bits, sizeof whole);
    }
};

constexpr float LOG2_E = 1.44269504f;

inline float between(float x, float limit) { return x > limit ? limit : (x < -limit ? -limit : x); }

// e^x, with a relative error below 2e-7 + 1e-7 |x|.
inline float exponential(float x) {
    const Power e(between(x * LOG2_E, 125.5f));
    return e.whole * e.q + e.whole;
}

// e^x - 1, which keeps its digits near 0; x is taken to lie between -40 and 40.
inline float exponential_minus_1(float x) {
    const Power e(between(x * LOG2_E, 57.5f));
    return e.whole * e.q + (e.whole - 1.0f);
}

}  // namespace
