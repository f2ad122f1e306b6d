// TensorFlow's ops for the kernels, float32, on the CPU: EflowLocalAttention (softmax attention within a window),
// EflowBlockAttention (to listed blocks of keys), EflowLinearAttention, and EflowGatedAttention (local and linear), each
// with its ...Grad. Shapes and indices are checked here, once for all.

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "attention.h"
#include "eflow/op.h"

namespace eflow {
namespace {

enum class Kind { kLocal, kBlocks, kLinear, kGated };
constexpr bool HasLocal(Kind kind) { return kind != Kind::kLinear; }
constexpr bool HasLinear(Kind kind) { return kind == Kind::kLinear || kind == Kind::kGated; }
constexpr bool HasWindow(Kind kind) { return kind == Kind::kLocal || kind == Kind::kGated; }

struct Attributes {
  int64_t window = 0;
  FeatureMap map = FeatureMap::kRelu;
};

template <Kind kind>
void *Create(TF_OpKernelConstruction *context) {
  auto attributes = std::make_unique<Attributes>();
  Status status;
  if (HasWindow(kind)) {
    TF_OpKernelConstruction_GetAttrInt64(context, "window", &attributes->window, status.get());
    if (status.ok() && attributes->window < 1)
      status.Fail("window is " + std::to_string(attributes->window) + "; expected at least 1");
  }
  if (HasLinear(kind) && status.ok()) {
    char name[16] = {};
    TF_OpKernelConstruction_GetAttrString(context, "feature_map", name, sizeof name - 1, status.get());
    const std::string map = name;
    if (map == "elu1") attributes->map = FeatureMap::kElu1;
    else if (map == "softmax") attributes->map = FeatureMap::kSoftmax;
    else if (map != "relu" && status.ok()) status.Fail("feature_map is " + map + "; expected relu, elu1 or softmax");
  }
  if (!status.ok()) TF_OpKernelConstruction_Failure(context, status.get());
  return attributes.release();
}

void Delete(void *attributes) { delete static_cast<Attributes *>(attributes); }

void ReadBlocks(Call &call, Problem &problem) {
  problem.blocks = call.Input<int32_t>("blocks");
  const Shape shape = call.shape();
  const int64_t count = problem.blocks_per_head(), last = shape.empty() ? 0 : shape.back();
  if (shape != Shape{problem.examples, problem.heads_per_example, count, last} || last < 1)
    throw std::runtime_error("expected blocks " +
                             Text({problem.examples, problem.heads_per_example, count}) + " times at least 1, got " +
                             Text(shape));
  problem.num_blocks = last;
  for (int64_t i = 0; i < problem.heads() * count * last; i++) {
    if (problem.blocks[i] >= 0 && problem.blocks[i] < count) continue;
    throw std::runtime_error("block " + std::to_string(problem.blocks[i]) + " is listed; expected 0 to " +
                             std::to_string(count - 1));
  }
}

template <Kind kind>
Problem ReadProblem(Call &call, const Attributes &attributes) {
  Problem problem{};
  problem.q = call.Input("q");
  const Shape shape = call.shape();
  if (shape.size() != 4 || shape[3] < 1 || shape[3] > kMaxDim || shape[0] * shape[1] * shape[2] < 1)
    throw std::runtime_error("expected q [B, N, L, D] of at least one token, D at most " + std::to_string(kMaxDim) +
                             ", got " + Text(shape));
  const int64_t examples = shape[0], length = shape[2], dim = shape[3];
  problem.k = call.Input("k", shape);
  problem.v = call.Input("v", shape);
  problem.cos = call.Input("cos");
  const Shape rotary = call.shape();
  const bool none = rotary == Shape{0};
  if (!none && rotary != Shape{length, dim} && rotary != Shape{examples, length, dim})
    throw std::runtime_error("expected cos " + Text({length, dim}) + " or " + Text({examples, length, dim}) + ", got " +
                             Text(rotary));
  if (!none && dim % 2 != 0) throw std::runtime_error("expected an even D with a rotary embedding, got " + Text(shape));
  problem.sin = call.Input("sin", rotary);
  if (none) problem.cos = problem.sin = nullptr;
  if (kind == Kind::kGated) problem.gate = call.Input("gate", {examples, shape[1], length, 1});
  problem.examples = examples;
  problem.heads_per_example = shape[1];
  problem.length = length;
  problem.dim = static_cast<int>(dim);
  problem.local = HasLocal(kind);
  problem.linear = HasLinear(kind);
  problem.window = HasWindow(kind) ? std::min(attributes.window, length) : length;
  problem.map = attributes.map;
  problem.rotary_per_example = rotary.size() == 3;
  if (kind == Kind::kBlocks) ReadBlocks(call, problem);
  return problem;
}

Shape ShapeOf(const Problem &problem) {
  return {problem.examples, problem.heads_per_example, problem.length, problem.dim};
}
Shape LogSumShape(const Problem &problem) { return {problem.examples, problem.heads_per_example, problem.length}; }
Shape StateShape(const Problem &problem) {
  return {problem.examples, problem.heads_per_example, StateSize(problem.dim)};
}

template <Kind kind>
void ComputeForward(void *attributes, TF_OpKernelContext *context) {
  Guard(context, [&](Call &call) {
    const Problem problem = ReadProblem<kind>(call, *static_cast<Attributes *>(attributes));
    Result result{};
    result.output = call.Output(ShapeOf(problem));
    if (HasLocal(kind)) result.log_sum = call.Output(LogSumShape(problem));
    if (HasLinear(kind)) result.state = call.Output(StateShape(problem));
    if (kind == Kind::kGated) result.local = call.Output(ShapeOf(problem));
    Forward(problem, result);
  });
}

template <Kind kind>
void ComputeBackward(void *attributes, TF_OpKernelContext *context) {
  Guard(context, [&](Call &call) {
    const Problem problem = ReadProblem<kind>(call, *static_cast<Attributes *>(attributes));
    const Shape shape = ShapeOf(problem);
    const float *const d_output = call.Input("d_output", shape);
    // Backward reads these and writes none of them.
    const auto saved = [&](const char *name, const Shape &expected) {
      return const_cast<float *>(call.Input(name, expected));
    };
    Result result{};
    if (HasLocal(kind)) result.log_sum = saved("log_sum", LogSumShape(problem));
    if (HasLinear(kind)) result.state = saved("state", StateShape(problem));
    (kind == Kind::kGated ? result.local : result.output) = saved(kind == Kind::kGated ? "local" : "output", shape);
    Gradients gradients{};
    gradients.q = call.Output(shape);
    gradients.k = call.Output(shape);
    gradients.v = call.Output(shape);
    if (kind == Kind::kGated) gradients.gate = call.Output({shape[0], shape[1], shape[2], 1});
    Backward(problem, result, d_output, gradients);
  });
}

template <Kind kind>
void InferForward(TF_ShapeInferenceContext *context, TF_Status *status) {
  Shapes shapes(context, status);
  TF_ShapeHandle *const q = shapes.Input(0);
  shapes.Output(q);
  if (TF_GetCode(status) != TF_OK) return;
  if (HasLocal(kind)) shapes.Output(shapes.First(q, 3));
  if (HasLinear(kind)) shapes.Output(shapes.Append(shapes.First(q, 2), StateSize(shapes.Length(q, 3))));
  if (kind == Kind::kGated) shapes.Output(q);
}

template <Kind kind>
void InferBackward(TF_ShapeInferenceContext *context, TF_Status *status) {
  Shapes shapes(context, status);
  for (int i = 0; i < 3; i++) shapes.Output(shapes.Input(i));
  if (kind == Kind::kGated) shapes.Output(shapes.Input(5));
}

template <Kind kind>
void RegisterKind(const std::string &name) {
  constexpr bool kGated = kind == Kind::kGated;
  std::vector<std::string> inputs = {"q: float", "k: float", "v: float", "cos: float", "sin: float"}, saved, attributes;
  std::vector<std::string> gradients = {"d_q: float", "d_k: float", "d_v: float"};
  if (kGated) inputs.push_back("gate: float");
  if (kind == Kind::kBlocks) inputs.push_back("blocks: int32");
  if (kGated) gradients.push_back("d_gate: float");
  if (HasLocal(kind)) saved.push_back("log_sum: float");
  if (HasLinear(kind)) saved.push_back("state: float");
  if (HasWindow(kind)) attributes.push_back("window: int");
  if (HasLinear(kind)) attributes.push_back("feature_map: string");
  std::vector<std::string> outputs = {"output: float"}, grad_inputs = inputs;
  outputs.insert(outputs.end(), saved.begin(), saved.end());
  if (kGated) outputs.push_back("local: float");
  grad_inputs.push_back("d_output: float");
  grad_inputs.insert(grad_inputs.end(), saved.begin(), saved.end());
  grad_inputs.push_back(kGated ? "local: float" : "output: float");
  RegisterOp({name, inputs, outputs, attributes, InferForward<kind>, Create<kind>, ComputeForward<kind>, Delete});
  RegisterOp({name + "Grad", grad_inputs, gradients, attributes, InferBackward<kind>, Create<kind>,
              ComputeBackward<kind>, Delete});
}

__attribute__((constructor)) void Register() {
  RegisterKind<Kind::kLocal>("EflowLocalAttention");
  RegisterKind<Kind::kBlocks>("EflowBlockAttention");
  RegisterKind<Kind::kLinear>("EflowLinearAttention");
  RegisterKind<Kind::kGated>("EflowGatedAttention");
}

}  // namespace
}  // namespace eflow
