/* One instruction set's table of heads.h. */
#pragma once

#include "attention.h"
#include "crf.h"
#include "embedding.h"
#include "layer_norm.h"
#include "linear.h"
#include "pooling.h"
#include "softmax.h"

namespace unrolled::UNROLLED_ISA {

/* In the order of heads.h. */
template <class Real>
constexpr Heads<Real> heads = {
    packed_size<Real>,
    pack_weight<Real>,
    linear<Real>,
    linear_backward<Real>,
    softmax<Real>,
    softmax_backward<Real>,
    log_softmax<Real>,
    log_softmax_backward<Real>,
    logsumexp<Real>,
    layer_norm<Real>,
    layer_norm_backward<Real>,
    embedding<Real>,
    embedding_backward<Real>,
    crf<Real>,
    crf_backward<Real>,
    viterbi<Real>,
    pooling<Real>,
    pooling_backward<Real>,
    attention<Real>,
    attention_backward<Real>,
};

} // namespace unrolled::UNROLLED_ISA
