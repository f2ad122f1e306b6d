// What a TensorFlow op of a package is made of, on TensorFlow's C API: its declaration, the shapes of its outputs, and a call's
// inputs and outputs. An exception of a kernel becomes the op's error.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "tensorflow/c/kernels.h"
#include "tensorflow/c/ops.h"

namespace eflow {

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

inline std::string Text(const Shape &shape) {
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
    type_ = TF_TensorType(tensor);
    shape_.assign(TF_NumDims(tensor), 0);
    for (size_t i = 0; i < shape_.size(); i++) shape_[i] = TF_Dim(tensor, i);
    if (!expected.empty() && shape_ != expected)
      throw std::runtime_error(std::string("expected ") + name + " " + Text(expected) + ", got " + Text(shape_));
    return static_cast<const T *>(TF_TensorData(tensor));
  }
  /// The shape and the type of the last input.
  const Shape &shape() const { return shape_; }
  TF_DataType type() const { return type_; }

  /// The next output, of the type that the op declares.
  template <typename T = float>
  T *Output(const Shape &shape) {
    Status status;
    const TF_DataType type = TF_ExpectedOutputDataType(context_, next_output_);
    int64_t size = 1;
    for (int64_t n : shape) size *= n;
    TF_Tensor *tensor = TF_AllocateOutput(context_, next_output_++, type, shape.data(), shape.size(),
                                          size * TF_DataTypeSize(type), status.get());
    status.Check();
    Keep(tensor);
    return static_cast<T *>(TF_TensorData(tensor));
  }
  /// The type of the next output.
  TF_DataType output_type() const { return TF_ExpectedOutputDataType(context_, next_output_); }

 private:
  void Keep(TF_Tensor *tensor) { tensors_.emplace_back(tensor, TF_DeleteTensor); }

  TF_OpKernelContext *context_;
  int next_input_ = 0, next_output_ = 0;
  Shape shape_;
  TF_DataType type_ = TF_FLOAT;
  std::vector<std::unique_ptr<TF_Tensor, decltype(&TF_DeleteTensor)>> tensors_;
};

/// Runs compute(call), whose exceptions become the op's error.
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
  int64_t Rank(TF_ShapeHandle *shape) { return TF_ShapeInferenceContextRank(context_, shape); }
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

/// An op as TensorFlow declares ops, such as "x: float" and "window: int", and its kernel on the CPU.
struct Op {
  std::string name;
  std::vector<std::string> inputs, outputs, attributes;
  void (*infer)(TF_ShapeInferenceContext *, TF_Status *);
  void *(*create)(TF_OpKernelConstruction *);
  void (*compute)(void *, TF_OpKernelContext *);
  void (*destroy)(void *);
};

/// Registers the op, of any type that its attributes allow.
inline void RegisterOp(const Op &op) {
  Status status;
  TF_OpDefinitionBuilder *builder = TF_NewOpDefinitionBuilder(op.name.c_str());
  for (const std::string &input : op.inputs) TF_OpDefinitionBuilderAddInput(builder, input.c_str());
  for (const std::string &output : op.outputs) TF_OpDefinitionBuilderAddOutput(builder, output.c_str());
  for (const std::string &attribute : op.attributes) TF_OpDefinitionBuilderAddAttr(builder, attribute.c_str());
  TF_OpDefinitionBuilderSetShapeInferenceFunction(builder, op.infer);
  TF_RegisterOpDefinition(builder, status.get());
  TF_RegisterKernelBuilder(op.name.c_str(),
                           TF_NewKernelBuilder(op.name.c_str(), "CPU", op.create, op.compute, op.destroy), status.get());
}

}  // namespace eflow
