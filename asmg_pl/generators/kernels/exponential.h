// The exponential of the kernels, whose loops become vector operations.

#pragma once

#include <cstdint>
#include <cstring>

namespace {

// e^x = 2^n e^f with x = n ln 2 + f, |f| <= ln 2 / 2, and a polynomial for e^f; relative error below 3e-7.
inline float exponential(float x) {
    x = x > 87.0f ? 87.0f : (x < -87.0f ? -87.0f : x);
    const float shifted = x * 1.44269504f + 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
    const float n = shifted - 12582912.0f;
    const float f = (x - n * 0.693359375f) + n * 2.12194440e-4f;  // ln 2 in two parts, the first exact
    float p = 1.9875691500e-4f;
    p = p * f + 1.3981999507e-3f;
    p = p * f + 8.3334519073e-3f;
    p = p * f + 4.1665795894e-2f;
    p = p * f + 1.6666665459e-1f;
    p = p * f + 5.0000001201e-1f;
    p = p * f * f + f + 1.0f;
    int32_t whole;
    std::memcpy(&whole, &shifted, sizeof whole);
    const int32_t bits = (whole + 127) << 23;
    float power;
    std::memcpy(&power, &bits, sizeof power);
    return p * power;
}

}  // namespace
