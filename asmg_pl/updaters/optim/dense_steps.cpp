// A step of Adam on many parameters in one call: what a small parameter takes is the call, not the arithmetic.
//
// m ← m + (1 - β₁)(g - m)      v ← β₂ v + (1 - β₂) g²      p ← p - rate / (1 - β₁ᵗ) · m / (√(v / (1 - β₂ᵗ)) + ε)

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace {

struct Parameter {
    float* numbers;
    const float* slope;
    float *mean, *square, *step;
};

struct Settings {
    double rate, beta, beta_square, epsilon;
    double decay;  // what a step leaves of a number beside its move
};

void move(const Parameter& given, const Settings& settings, int64_t first, int64_t last) {
    const double steps = *given.step;
    const float rate = settings.rate / (1 - std::pow(settings.beta, steps)), epsilon = settings.epsilon;
    const float root = std::sqrt(1 - std::pow(settings.beta_square, steps)), decay = settings.decay;
    const float new_mean = 1 - settings.beta, beta_square = settings.beta_square, new_square = 1 - settings.beta_square;
    float *const numbers = given.numbers, *const mean = given.mean, *const square = given.square;
    const float* const slope = given.slope;
    #pragma omp simd
    for (int64_t place = first; place < last; ++place) {
        const float g = slope[place], m = mean[place] + new_mean * (g - mean[place]);
        const float v = beta_square * square[place] + new_square * g * g;
        mean[place] = m;
        square[place] = v;
        numbers[place] = decay * numbers[place] - rate * m / (std::sqrt(v) / root + epsilon);
    }
}

}  // namespace

extern "C" {

// One more step is taken by each parameter.
void count(int64_t parameters, const Parameter* given) {
    for (int64_t place = 0; place < parameters; ++place) *given[place].step += 1;
}

// Moves the numbers first … last - 1 of all parameters, which stand one after the other; `sizes` are their numbers.
void step(int64_t first, int64_t last, int64_t parameters, const int64_t* sizes, const Parameter* given,
          const Settings* settings) {
    for (int64_t place = 0; place < parameters; ++place) {
        const int64_t from = std::max<int64_t>(first, 0), to = std::min(last, sizes[place]);
        if (from < to) move(given[place], *settings, from, to);
        first -= sizes[place];
        last -= sizes[place];
    }
}
}
