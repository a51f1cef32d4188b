// The exponential of the kernels, whose loops become vector operations.

#pragma once

#include <cstdint>
#include <cstring>

namespace {

// e^x = 2^n (1 + q) with x = n ln 2 + f, |f| <= ln 2 / 2, and a polynomial for q = e^f - 1.
struct Exponential {
    float power, q;

    explicit inline Exponential(float x) {
        const float shifted = x * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
        const float n = shifted - 12582912.0f;
        const float f = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts, the first exact
        float p = 1.9875691500e-4f;
        p = p * f + 1.3981999507e-3f;
        p = p * f + 8.3334519073e-3f;
        p = p * f + 4.1665795894e-2f;
        p = p * f + 1.6666665459e-1f;
        p = p * f + 5.0000001201e-1f;
        q = p * f * f + f;
        int32_t whole;
        std::memcpy(&whole, &shifted, sizeof whole);
        const int32_t bits = (whole + 127) << 23;
        std::memcpy(&power, &bits, sizeof power);
    }
};

inline float between(float x, float limit) { return x > limit ? limit : (x < -limit ? -limit : x); }

// e^x, with a relative error below 3e-7.
inline float exponential(float x) {
    const Exponential e(between(x, 87.0f));
    return e.power * (e.q + 1.0f);
}

// e^x - 1, which keeps its digits near 0; x is taken to lie between -40 and 40.
inline float exponential_minus_1(float x) {
    const Exponential e(between(x, 40.0f));
    return e.power * e.q + (e.power - 1.0f);
}

}  // namespace
