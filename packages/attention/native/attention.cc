// TensorFlow's ops for the kernels, float32, on the CPU: EflowLocalAttention (softmax attention within a window),
// EflowBlockAttention (to listed blocks of keys), EflowLinearAttention, and EflowGatedAttention (local and linear), each
// with its ...Grad. Shapes and indices are checked here, once for all.

#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <vector>

#include "attention.h"
#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"

namespace eflow {
namespace {

enum class Kind { kLocal, kBlocks, kLinear, kGated };
constexpr bool HasLocal(Kind kind) { return kind != Kind::kLinear; }
constexpr bool HasLinear(Kind kind) { return kind == Kind::kLinear || kind == Kind::kGated; }
constexpr bool HasWindow(Kind kind) { return kind == Kind::kLocal || kind == Kind::kGated; }

class Status {
 public:
  TF_Status *get() { return status_.get(); }
  bool ok() { return TF_GetCode(get()) == TF_OK; }
  void Check() {
    if (!ok()) throw std::runtime_error(TF_Message(get()));
  }
  void Fail(const std::string &message, TF_Code code = TF_INVALID_ARGUMENT) {
    TF_SetStatus(get(), code, message.c_str());
  }

 private:
  std::unique_ptr<TF_Status, decltype(&TF_DeleteStatus)> status_{TF_NewStatus(), TF_DeleteStatus};
};

using Shape = std::vector<int64_t>;

std::string Text(const Shape &shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); i++) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

/// The inputs and outputs of one call, in order.
class Call {
 public:
  explicit Call(TF_OpKernelContext *context) : context_(context) {}

  /// The next input, which must have the shape, unless that is empty.
  template <typename T = float>
  const T *Input(const char *name, const Shape &expected = {}) {
    Status status;
    TF_Tensor *tensor = nullptr;
    TF_GetInput(context_, next_input_++, &tensor, status.get());
    status.Check();
    Keep(tensor);
    shape_.assign(TF_NumDims(tensor), 0);
    for (size_t i = 0; i < shape_.size(); i++) shape_[i] = TF_Dim(tensor, i);
    if (!expected.empty() && shape_ != expected)
      throw std::runtime_error(std::string("expected ") + name + " " + Text(expected) + ", got " + Text(shape_));
    return static_cast<const T *>(TF_TensorData(tensor));
  }
  /// The shape of the last input.
  const Shape &shape() const { return shape_; }

  float *Output(const Shape &shape) {
    Status status;
    int64_t size = 1;
    for (int64_t n : shape) size *= n;
    TF_Tensor *tensor = TF_AllocateOutput(context_, next_output_++, TF_FLOAT, shape.data(), shape.size(),
                                          size * sizeof(float), status.get());
    status.Check();
    Keep(tensor);
    return static_cast<float *>(TF_TensorData(tensor));
  }

 private:
  void Keep(TF_Tensor *tensor) { tensors_.emplace_back(tensor, TF_DeleteTensor); }

  TF_OpKernelContext *context_;
  int next_input_ = 0, next_output_ = 0;
  Shape shape_;
  std::vector<std::unique_ptr<TF_Tensor, decltype(&TF_DeleteTensor)>> tensors_;
};

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

/// Runs `compute`, whose exceptions become the op's error.
template <typename Compute>
void Guard(TF_OpKernelContext *context, Compute compute) {
  Status status;
  try {
    Call call(context);
    compute(call);
  } catch (const std::bad_alloc &) {
    status.Fail("out of memory", TF_RESOURCE_EXHAUSTED);
  } catch (const std::exception &error) {
    status.Fail(error.what());
  }
  if (!status.ok()) TF_OpKernelContext_Failure(context, status.get());
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

/// Shapes as functions of the inputs' own; each is freed with this.
class Shapes {
 public:
  Shapes(TF_ShapeInferenceContext *context, TF_Status *status) : context_(context), status_(status) {}
  TF_ShapeHandle *Input(int index) {
    TF_ShapeHandle *shape = Keep(TF_NewShapeHandle());
    TF_ShapeInferenceContextGetInput(context_, index, shape, status_);
    return shape;
  }
  TF_ShapeHandle *First(TF_ShapeHandle *shape, int axes) {
    TF_ShapeHandle *first = Keep(TF_NewShapeHandle());
    TF_ShapeInferenceContextSubshape(context_, shape, 0, axes, first, status_);
    return first;
  }
  TF_ShapeHandle *Append(TF_ShapeHandle *shape, int64_t length) {
    TF_ShapeHandle *vector = Keep(TF_ShapeInferenceContextVectorFromSize(context_, length));
    TF_ShapeHandle *result = Keep(TF_NewShapeHandle());
    TF_ShapeInferenceContextConcatenateShapes(context_, shape, vector, result, status_);
    return result;
  }
  int64_t Length(TF_ShapeHandle *shape, int axis) {
    TF_DimensionHandle *dimension = TF_NewDimensionHandle();
    TF_ShapeInferenceContextDim(context_, shape, axis, dimension);
    const int64_t length = TF_DimensionHandleValueKnown(dimension) ? TF_DimensionHandleValue(dimension) : 0;
    TF_DeleteDimensionHandle(dimension);
    return length;
  }
  void Output(TF_ShapeHandle *shape) { TF_ShapeInferenceContextSetOutput(context_, next_++, shape, status_); }

 private:
  TF_ShapeHandle *Keep(TF_ShapeHandle *shape) {
    shapes_.emplace_back(shape, TF_DeleteShapeHandle);
    return shape;
  }
  TF_ShapeInferenceContext *context_;
  TF_Status *status_;
  int next_ = 0;
  std::vector<std::unique_ptr<TF_ShapeHandle, decltype(&TF_DeleteShapeHandle)>> shapes_;
};

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

struct Op {
  std::string name;
  std::vector<const char *> inputs, outputs;
  void (*infer)(TF_ShapeInferenceContext *, TF_Status *);
  void *(*create)(TF_OpKernelConstruction *);
  void (*compute)(void *, TF_OpKernelContext *);
};

template <Kind kind>
void RegisterOp(const Op &op) {
  Status status;
  TF_OpDefinitionBuilder *builder = TF_NewOpDefinitionBuilder(op.name.c_str());
  for (const std::string input : op.inputs)
    TF_OpDefinitionBuilderAddInput(builder, (input + (input == "blocks" ? ": int32" : ": float")).c_str());
  for (const char *output : op.outputs)
    TF_OpDefinitionBuilderAddOutput(builder, (std::string(output) + ": float").c_str());
  if (HasWindow(kind)) TF_OpDefinitionBuilderAddAttr(builder, "window: int");
  if (HasLinear(kind)) TF_OpDefinitionBuilderAddAttr(builder, "feature_map: string");
  TF_OpDefinitionBuilderSetShapeInferenceFunction(builder, op.infer);
  TF_RegisterOpDefinition(builder, status.get());
  TF_RegisterKernelBuilder(op.name.c_str(),
                           TF_NewKernelBuilder(op.name.c_str(), "CPU", op.create, op.compute, Delete), status.get());
}

template <Kind kind>
void RegisterKind(const std::string &name) {
  constexpr bool kGated = kind == Kind::kGated;
  std::vector<const char *> inputs = {"q", "k", "v", "cos", "sin"}, saved, gradients = {"d_q", "d_k", "d_v"};
  if (kGated) inputs.push_back("gate");
  if (kind == Kind::kBlocks) inputs.push_back("blocks");
  if (kGated) gradients.push_back("d_gate");
  if (HasLocal(kind)) saved.push_back("log_sum");
  if (HasLinear(kind)) saved.push_back("state");
  std::vector<const char *> outputs = {"output"}, grad_inputs = inputs;
  outputs.insert(outputs.end(), saved.begin(), saved.end());
  if (kGated) outputs.push_back("local");
  grad_inputs.push_back("d_output");
  grad_inputs.insert(grad_inputs.end(), saved.begin(), saved.end());
  grad_inputs.push_back(kGated ? "local" : "output");
  RegisterOp<kind>({name, inputs, outputs, InferForward<kind>, Create<kind>, ComputeForward<kind>});
  RegisterOp<kind>({name + "Grad", grad_inputs, gradients, InferBackward<kind>, Create<kind>, ComputeBackward<kind>});
}

__attribute__((constructor)) void Register() {
  RegisterKind<Kind::kLocal>("EflowLocalAttention");
  RegisterKind<Kind::kBlocks>("EflowBlockAttention");
  RegisterKind<Kind::kLinear>("EflowLinearAttention");
  RegisterKind<Kind::kGated>("EflowGatedAttention");
}

}  // namespace
}  // namespace eflow
