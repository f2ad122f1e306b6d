// TensorFlow's ops for the fused layers, on the CPU, each with its ...Grad: EflowModulatedNorm, EflowBiasGelu, EflowGatedAdd,
// EflowSplitHeads, EflowJoinHeads. What comes of a matrix product or goes into one may be bfloat16. Shapes are checked here,
// once for all.

#include <memory>
#include <stdexcept>
#include <string>

#include "eflow/op.h"
#include "gate.h"
#include "gelu.h"
#include "heads.h"
#include "norm.h"

namespace eflow {
namespace {

/// The next input, whose last axis is that of rows.
Source ReadRows(Call &call, const char *name, const Shape &expected = {}) {
  const void *const data = call.Input<void>(name, expected);
  const Shape &shape = call.shape();
  if (shape.empty() || shape.back() < 1)
    throw std::runtime_error(std::string("expected ") + name + " of at least one number a row, got " + Text(shape));
  return {data, call.type() == TF_BFLOAT16, static_cast<int>(shape.back())};
}

Sink WriteRows(Call &call, const Shape &shape) {
  const bool half = call.output_type() == TF_BFLOAT16;
  return {call.Output<void>(shape), half, static_cast<int>(shape.back())};
}

/// The next input, [B, L, E].
Source ReadTokens(Call &call, const char *name) {
  const Source rows = ReadRows(call, name);
  if (call.shape().size() != 3)
    throw std::runtime_error(std::string("expected ") + name + " [B, L, E], got " + Text(call.shape()));
  return rows;
}

Pieces PiecesOf(const Shape &tokens) { return {tokens[0], tokens[1]}; }

/// Rows of whatever has E as its last axis.
Pieces PiecesOfRows(const Shape &shape) {
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < shape.size(); i++) rows *= shape[i];
  return {1, rows};
}

struct Attributes {
  float eps = 0;
};

void *CreateWithEps(TF_OpKernelConstruction *context) {
  auto attributes = std::make_unique<Attributes>();
  Status status;
  TF_OpKernelConstruction_GetAttrFloat(context, "eps", &attributes->eps, status.get());
  if (!status.ok()) TF_OpKernelConstruction_Failure(context, status.get());
  return attributes.release();
}

void *Create(TF_OpKernelConstruction *) { return new Attributes; }
void Delete(void *attributes) { delete static_cast<Attributes *>(attributes); }
float EpsOf(void *attributes) { return static_cast<Attributes *>(attributes)->eps; }

void ComputeModulatedNorm(void *attributes, TF_OpKernelContext *context) {
  Guard(context, [&](Call &call) {
    const Source x = ReadTokens(call, "x");
    const Shape shape = call.shape();
    const Source shift = ReadRows(call, "shift", {shape[0], shape[2]}), scale = ReadRows(call, "scale", {shape[0], shape[2]});
    ModulatedNorm(PiecesOf(shape), EpsOf(attributes), x, shift, scale, WriteRows(call, shape));
  });
}

void ComputeModulatedNormGrad(void *attributes, TF_OpKernelContext *context) {
  Guard(context, [&](Call &call) {
    const Source d_y = ReadTokens(call, "d_y");
    const Shape shape = call.shape(), of_example = {shape[0], shape[2]};
    const Source x = ReadRows(call, "x", shape), scale = ReadRows(call, "scale", of_example);
    const Sink d_x = WriteRows(call, shape);
    float *const d_shift = call.Output(of_example), *const d_scale = call.Output(of_example);
    ModulatedNormGrad(PiecesOf(shape), EpsOf(attributes), d_y, x, scale, d_x, d_shift, d_scale);
  });
}

void ComputeBiasGelu(void *, TF_OpKernelContext *context) {
  Guard(context, [&](Call &call) {
    const Source x = ReadRows(call, "x");
    const Shape shape = call.shape();
    const Source bias = ReadRows(call, "bias", {shape.back()});
    BiasGelu(PiecesOfRows(shape), x, bias, WriteRows(call, shape));
  });
}

void ComputeBiasGeluGrad(void *, TF_OpKernelContext *context) {
  Guard(context, [&](Call &call) {
    const Source d_y = ReadRows(call, "d_y");
    const Shape shape = call.shape();
    const Source x = ReadRows(call, "x", shape), bias = ReadRows(call, "bias", {shape.back()});
    const Sink d_x = WriteRows(call, shape);
    BiasGeluGrad(PiecesOfRows(shape), d_y, x, bias, d_x, call.Output({shape.back()}));
  });
}

void ComputeGatedAdd(void *, TF_OpKernelContext *context) {
  Guard(context, [&](Call &call) {
    const Source x = ReadTokens(call, "x");
    const Shape shape = call.shape();
    const Source gate = ReadRows(call, "gate", {shape[0], shape[2]}), update = ReadRows(call, "update", shape);
    const Source bias = ReadRows(call, "bias", {shape[2]});
    GatedAdd(PiecesOf(shape), x, gate, update, bias, WriteRows(call, shape));
  });
}

void ComputeGatedAddGrad(void *, TF_OpKernelContext *context) {
  Guard(context, [&](Call &call) {
    const Source d_y = ReadTokens(call, "d_y");
    const Shape shape = call.shape(), of_example = {shape[0], shape[2]};
    const Source gate = ReadRows(call, "gate", of_example), update = ReadRows(call, "update", shape);
    const Source bias = ReadRows(call, "bias", {shape[2]});
    float *const d_gate = call.Output(of_example);
    const Sink d_update = WriteRows(call, shape);
    GatedAddGrad(PiecesOf(shape), d_y, gate, update, bias, d_gate, d_update, call.Output({shape[2]}));
  });
}

/// What both directions of EflowSplitHeads read.
struct Projection {
  Source x, bias, weights[2];
  Heads heads;
  Shape shape, one_head;
  Shape out() const { return {3, heads.examples, heads.heads, heads.length, heads.dim}; }
};

Projection ReadProjection(Call &call) {
  Projection projection;
  projection.x = ReadTokens(call, "x");
  const Shape shape = projection.shape = call.shape();
  projection.bias = ReadRows(call, "bias", {shape[2]});
  projection.weights[0] = ReadRows(call, "q_weight");
  const Shape one_head = projection.one_head = call.shape();
  if (one_head.size() != 1 || shape[2] % (3 * one_head[0]) != 0)
    throw std::runtime_error("expected q_weight [D] for x [B, L, 3 N D], got " + Text(one_head) + " and " + Text(shape));
  projection.weights[1] = ReadRows(call, "k_weight", one_head);
  projection.heads = {shape[0], shape[2] / (3 * one_head[0]), shape[1], static_cast<int>(one_head[0])};
  return projection;
}

void ComputeSplitHeads(void *attributes, TF_OpKernelContext *context) {
  Guard(context, [&](Call &call) {
    const Projection given = ReadProjection(call);
    SplitHeads(given.heads, EpsOf(attributes), given.x, given.bias, given.weights, call.Output(given.out()));
  });
}

void ComputeSplitHeadsGrad(void *attributes, TF_OpKernelContext *context) {
  Guard(context, [&](Call &call) {
    const Projection given = ReadProjection(call);
    const float *const d_out = call.Input("d_out", given.out());
    const Sink d_x = WriteRows(call, given.shape);
    float *const d_bias = call.Output({given.shape[2]});
    float *const d_weights[] = {call.Output(given.one_head), call.Output(given.one_head)};
    SplitHeadsGrad(given.heads, EpsOf(attributes), d_out, given.x, given.bias, given.weights, d_x, d_bias, d_weights);
  });
}

/// The heads of a tensor [B, N, L, D].
Heads HeadsOf(const Shape &shape) {
  if (shape.size() != 4 || shape[1] * shape[3] < 1)
    throw std::runtime_error("expected x [B, N, L, D], got " + Text(shape));
  return {shape[0], shape[1], shape[2], static_cast<int>(shape[3])};
}

void ComputeJoinHeads(void *, TF_OpKernelContext *context) {
  Guard(context, [&](Call &call) {
    const float *const x = call.Input("x");
    const Heads heads = HeadsOf(call.shape());
    JoinHeads(heads, x, WriteRows(call, {heads.examples, heads.length, heads.width()}));
  });
}

void ComputeJoinHeadsGrad(void *, TF_OpKernelContext *context) {
  Guard(context, [&](Call &call) {
    const Source d_out = ReadTokens(call, "d_out");
    const Shape tokens = call.shape();
    call.Input("head");
    const Shape head = call.shape();  // whose numbers are not read
    if (head.size() != 1 || head[0] < 1 || tokens[2] % head[0] != 0)
      throw std::runtime_error("expected head [D] for d_out [B, L, N D], got " + Text(head) + " and " + Text(tokens));
    const Shape shape = {tokens[0], tokens[2] / head[0], tokens[1], head[0]};
    JoinHeadsGrad(HeadsOf(shape), d_out, call.Output(shape));
  });
}

/// The outputs have the shapes of these inputs.
template <int... kInputs>
void InferAs(TF_ShapeInferenceContext *context, TF_Status *status) {
  Shapes shapes(context, status);
  (shapes.Output(shapes.Input(kInputs)), ...);
}

/// [B, N, L, D] of tokens [B, L, N D] after the axes `first`.
TF_ShapeHandle *ShapeOfHeads(Shapes &shapes, TF_ShapeHandle *first, TF_ShapeHandle *tokens, int64_t width, int64_t dim) {
  TF_ShapeHandle *const heads = shapes.Append(shapes.Append(first, shapes.Length(tokens, 0)), width / dim);
  return shapes.Append(shapes.Append(heads, shapes.Length(tokens, 1)), dim);
}

void InferSplitHeads(TF_ShapeInferenceContext *context, TF_Status *status) {
  Shapes shapes(context, status);
  TF_ShapeHandle *const tokens = shapes.Input(0), *const head = shapes.Input(2);
  if (shapes.Rank(tokens) != 3 || shapes.Rank(head) != 1) return;
  const int64_t width = shapes.Length(tokens, 2) / 3, dim = std::max<int64_t>(1, shapes.Length(head, 0));
  shapes.Output(ShapeOfHeads(shapes, shapes.Append(shapes.First(tokens, 0), 3), tokens, width, dim));
}

void InferJoinHeads(TF_ShapeInferenceContext *context, TF_Status *status) {
  Shapes shapes(context, status);
  TF_ShapeHandle *const x = shapes.Input(0);
  if (shapes.Rank(x) != 4) return;
  const int64_t width = shapes.Length(x, 1) * shapes.Length(x, 3);
  shapes.Output(shapes.Append(shapes.Append(shapes.First(x, 1), shapes.Length(x, 2)), width));
}

void InferJoinHeadsGrad(TF_ShapeInferenceContext *context, TF_Status *status) {
  Shapes shapes(context, status);
  TF_ShapeHandle *const tokens = shapes.Input(0), *const head = shapes.Input(1);
  if (shapes.Rank(tokens) != 3 || shapes.Rank(head) != 1) return;
  const int64_t dim = std::max<int64_t>(1, shapes.Length(head, 0));
  shapes.Output(ShapeOfHeads(shapes, shapes.First(tokens, 0), tokens, shapes.Length(tokens, 2), dim));
}

/// What is a product or becomes a factor of one: float, or bfloat16 where products are. In these ops `P` is the type of products
/// that are read, `D` that of the gradient that is read, and `F` that of factors that are written.
const char *const kProduct = "P: {float, bfloat16}", *const kGradient = "D: {float, bfloat16}";
const char *const kFactor = "F: {float, bfloat16} = DT_FLOAT", *const kEps = "eps: float";

__attribute__((constructor)) void Register() {
  RegisterOp({"EflowModulatedNorm", {"x: float", "shift: float", "scale: float"}, {"y: F"}, {kFactor, kEps},
              InferAs<0>, CreateWithEps, ComputeModulatedNorm, Delete});
  RegisterOp({"EflowModulatedNormGrad", {"d_y: D", "x: float", "scale: float"},
              {"d_x: float", "d_shift: float", "d_scale: float"}, {kGradient, kEps}, InferAs<1, 2, 2>, CreateWithEps,
              ComputeModulatedNormGrad, Delete});
  RegisterOp({"EflowBiasGelu", {"x: P", "bias: float"}, {"y: F"}, {kProduct, kFactor}, InferAs<0>, Create,
              ComputeBiasGelu, Delete});
  RegisterOp({"EflowBiasGeluGrad", {"d_y: D", "x: P", "bias: float"}, {"d_x: F", "d_bias: float"},
              {kGradient, kProduct, kFactor}, InferAs<1, 2>, Create, ComputeBiasGeluGrad, Delete});
  RegisterOp({"EflowGatedAdd", {"x: float", "gate: float", "update: P", "bias: float"}, {"y: float"}, {kProduct},
              InferAs<0>, Create, ComputeGatedAdd, Delete});
  RegisterOp({"EflowGatedAddGrad", {"d_y: float", "gate: float", "update: P", "bias: float"},
              {"d_gate: float", "d_update: F", "d_bias: float"}, {kProduct, kFactor}, InferAs<1, 2, 3>, Create,
              ComputeGatedAddGrad, Delete});
  RegisterOp({"EflowSplitHeads", {"x: P", "bias: float", "q_weight: float", "k_weight: float"}, {"heads: float"},
              {kProduct, kEps}, InferSplitHeads, CreateWithEps, ComputeSplitHeads, Delete});
  RegisterOp({"EflowSplitHeadsGrad", {"x: P", "bias: float", "q_weight: float", "k_weight: float", "d_out: float"},
              {"d_x: F", "d_bias: float", "d_q_weight: float", "d_k_weight: float"}, {kProduct, kFactor, kEps},
              InferAs<0, 1, 2, 3>, CreateWithEps, ComputeSplitHeadsGrad, Delete});
  RegisterOp({"EflowJoinHeads", {"x: float"}, {"tokens: F"}, {kFactor}, InferJoinHeads, Create, ComputeJoinHeads,
              Delete});
  RegisterOp({"EflowJoinHeadsGrad", {"d_out: D", "head: float"}, {"d_x: float"}, {kGradient}, InferJoinHeadsGrad,
              Create, ComputeJoinHeadsGrad, Delete});
}

}  // namespace
}  // namespace eflow
