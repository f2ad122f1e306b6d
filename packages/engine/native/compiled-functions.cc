// tfjs-node's addon with what compiled functions need: TensorFlow graphs that are built op by op, with shapes inferred as
// they grow, and registered as functions of the eager context, where executeOp runs them by name.
//
// The addon's own source is included below, not copied; only its entry point is replaced, so that both share one state.

#include <node_api.h>

#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/c/c_api.h"
#include "tensorflow/c/eager/c_api.h"
#include "tensorflow/c/eager/c_api_experimental.h"

#undef NAPI_MODULE
#define NAPI_MODULE(name, init)
#include "tfjs_binding.cc"

namespace eflow {

using tfnodejs::TFJSBackend;

// The eager context is a private member. An explicit instantiation may name it, and a friend hands it out.
TFE_Context *ContextOf(const TFJSBackend &backend);
template <TFE_Context *TFJSBackend::*Member>
struct ContextAccess {
  friend TFE_Context *ContextOf(const TFJSBackend &backend) { return backend.*Member; }
};
template struct ContextAccess<&TFJSBackend::tfe_context_>;

// ---- Values from and to JavaScript. Failures are C++ exceptions until `Guard` turns them into JavaScript's.

void Check(napi_status status, const char *what) {
  if (status != napi_ok) throw std::runtime_error(std::string("expected ") + what);
}

class Status {
 public:
  TF_Status *get() { return status_.get(); }
  void Check() {
    if (TF_GetCode(get()) != TF_OK) throw std::runtime_error(TF_Message(get()));
  }

 private:
  std::unique_ptr<TF_Status, decltype(&TF_DeleteStatus)> status_{TF_NewStatus(), TF_DeleteStatus};
};

struct Value {
  napi_env env;
  napi_value js;

  std::string String() const {
    size_t length;
    Check(napi_get_value_string_utf8(env, js, nullptr, 0, &length), "a string");
    std::string text(length, '\0');
    Check(napi_get_value_string_utf8(env, js, &text[0], length + 1, &length), "a string");
    return text;
  }
  int64_t Int() const {
    int64_t value;
    Check(napi_get_value_int64(env, js, &value), "an integer");
    return value;
  }
  double Double() const {
    double value;
    Check(napi_get_value_double(env, js, &value), "a number");
    return value;
  }
  bool Bool() const {
    bool value;
    Check(napi_get_value_bool(env, js, &value), "a boolean");
    return value;
  }
  bool IsArray() const {
    bool value;
    Check(napi_is_array(env, js, &value), "a value");
    return value;
  }
  Value operator[](const char *name) const {
    Value property{env, nullptr};
    Check(napi_get_named_property(env, js, name, &property.js), name);
    return property;
  }
  std::vector<Value> Elements() const {
    uint32_t length;
    Check(napi_get_array_length(env, js, &length), "an array");
    std::vector<Value> elements(length, Value{env, nullptr});
    for (uint32_t i = 0; i < length; i++) Check(napi_get_element(env, js, i, &elements[i].js), "an element");
    return elements;
  }
  std::vector<int64_t> Ints() const {
    std::vector<int64_t> ints;
    for (const Value &element : Elements()) ints.push_back(element.Int());
    return ints;
  }
  template <typename T>
  T *External() const {
    void *data;
    Check(napi_get_value_external(env, js, &data), "a graph");
    return static_cast<T *>(data);
  }
};

napi_value ToJs(napi_env env, int64_t value) {
  napi_value js;
  Check(napi_create_int64(env, value, &js), "an integer");
  return js;
}

napi_value ToJs(napi_env env, const std::string &text) {
  napi_value js;
  Check(napi_create_string_utf8(env, text.data(), text.size(), &js), "a string");
  return js;
}

template <typename T>
napi_value ToJs(napi_env env, const std::vector<T> &values) {
  napi_value array;
  Check(napi_create_array_with_length(env, values.size(), &array), "an array");
  for (size_t i = 0; i < values.size(); i++) Check(napi_set_element(env, array, i, ToJs(env, values[i])), "an element");
  return array;
}

napi_value ToJs(napi_env env, const TF_Buffer &bytes) {
  napi_value js;
  Check(napi_create_buffer_copy(env, bytes.length, bytes.data, nullptr, &js), "bytes");
  return js;
}

// ---- Graphs.

/// A graph under construction. Tensors in it are known by their index in `outputs`.
struct Graph {
  TF_Graph *graph = TF_NewGraph();
  std::vector<TF_Output> outputs;
  int64_t operations = 0;

  Graph() = default;
  Graph(const Graph &) = delete;
  ~Graph() { Delete(); }
  void Delete() {
    if (graph != nullptr) TF_DeleteGraph(graph);
    graph = nullptr;
    outputs.clear();
  }

  const TF_Output &Output(const Value &id) const { return outputs.at(id.Int()); }
  std::vector<TF_Output> Outputs(const Value &ids) const {
    std::vector<TF_Output> result;
    for (const Value &id : ids.Elements()) result.push_back(Output(id));
    return result;
  }
};

Graph &LiveGraph(const Value &handle) {
  Graph &graph = *handle.External<Graph>();
  if (graph.graph == nullptr) throw std::runtime_error("expected a graph that is not deleted");
  return graph;
}

std::unique_ptr<TF_Buffer, decltype(&TF_DeleteBuffer)> NewBuffer() { return {TF_NewBuffer(), TF_DeleteBuffer}; }

napi_value CreateGraph(napi_env env, const std::vector<Value> &) {
  auto graph = std::make_unique<Graph>();
  napi_value js;
  Check(napi_create_external(
            env, graph.get(), [](napi_env, void *data, void *) { delete static_cast<Graph *>(data); }, nullptr, &js),
        "a graph");
  graph.release();
  return js;
}

/// (graph): frees it before its handle is garbage, whose size JavaScript does not know.
napi_value DeleteGraph(napi_env, const std::vector<Value> &args) {
  args[0].External<Graph>()->Delete();
  return nullptr;
}

template <typename Make>
auto Map(const Value &array, Make make) {
  std::vector<decltype(make(array))> values;
  for (const Value &element : array.Elements()) values.push_back(make(element));
  return values;
}

/// Sets an attribute as tfjs-node's executeOp is given them: { name, type, value }, where value may be an array.
void SetAttribute(TF_OperationDescription *op, const Value &attribute) {
  const std::string name_string = attribute["name"].String();
  const char *name = name_string.c_str();
  const Value value = attribute["value"];
  const bool list = value.IsArray();
  switch (attribute["type"].Int()) {
    case TF_ATTR_STRING: {
      const std::string text = value.String();
      return TF_SetAttrString(op, name, text.data(), text.size());
    }
    case TF_ATTR_INT: {
      if (!list) return TF_SetAttrInt(op, name, value.Int());
      const auto ints = value.Ints();
      return TF_SetAttrIntList(op, name, ints.data(), ints.size());
    }
    case TF_ATTR_FLOAT: {
      if (!list) return TF_SetAttrFloat(op, name, value.Double());
      const auto floats = Map(value, [](const Value &x) { return static_cast<float>(x.Double()); });
      return TF_SetAttrFloatList(op, name, floats.data(), floats.size());
    }
    case TF_ATTR_BOOL: {
      if (!list) return TF_SetAttrBool(op, name, value.Bool());
      const auto bools = Map(value, [](const Value &x) { return static_cast<unsigned char>(x.Bool()); });
      return TF_SetAttrBoolList(op, name, bools.data(), bools.size());
    }
    case TF_ATTR_TYPE: {
      if (!list) return TF_SetAttrType(op, name, static_cast<TF_DataType>(value.Int()));
      const auto types = Map(value, [](const Value &x) { return static_cast<TF_DataType>(x.Int()); });
      return TF_SetAttrTypeList(op, name, types.data(), types.size());
    }
    case TF_ATTR_SHAPE: {
      const auto shape = value.Ints();
      return TF_SetAttrShape(op, name, shape.data(), shape.size());
    }
    case TF_ATTR_FUNC: {
      const std::string function = value.String();
      return TF_SetAttrFuncName(op, name, function.data(), function.size());
    }
    default:
      throw std::runtime_error("attribute " + name_string + " has no form that a graph can hold");
  }
}

size_t BytesPerElement(napi_typedarray_type type) {
  switch (type) {
    case napi_float32_array:
    case napi_int32_array:
    case napi_uint32_array:
      return 4;
    case napi_int8_array:
    case napi_uint8_array:
    case napi_uint8_clamped_array:
      return 1;
    default:
      throw std::runtime_error("expected values of 8 or 32 bits");
  }
}

using TensorPointer = std::unique_ptr<TF_Tensor, decltype(&TF_DeleteTensor)>;

TensorPointer TensorOf(TF_DataType dtype, const std::vector<int64_t> &shape, const Value &array) {
  napi_typedarray_type type;
  size_t length;
  void *data;
  Check(napi_get_typedarray_info(array.env, array.js, &type, &length, &data, nullptr, nullptr), "a typed array");
  size_t bytes = TF_DataTypeSize(dtype);
  for (int64_t n : shape) bytes *= n;
  if (bytes != length * BytesPerElement(type)) throw std::runtime_error("expected as many values as the shape has");
  TensorPointer tensor(TF_AllocateTensor(dtype, shape.data(), shape.size(), bytes), TF_DeleteTensor);
  std::memcpy(TF_TensorData(tensor.get()), data, bytes);
  return tensor;
}

/// Adds `op` to the graph; its outputs as [{ id, dtype, shape }], with -1 for an unknown length, and [-1] for an unknown rank.
napi_value Finish(napi_env env, Graph &graph, TF_OperationDescription *description) {
  Status status;
  TF_Operation *operation = TF_FinishOperation(description, status.get());
  status.Check();
  graph.operations++;
  const int count = TF_OperationNumOutputs(operation);
  napi_value result;
  Check(napi_create_array_with_length(env, count, &result), "an array");
  for (int i = 0; i < count; i++) {
    const TF_Output output{operation, i};
    const int rank = TF_GraphGetTensorNumDims(graph.graph, output, status.get());
    status.Check();
    std::vector<int64_t> shape(rank < 0 ? 1 : rank, -1);
    if (rank > 0) TF_GraphGetTensorShape(graph.graph, output, shape.data(), rank, status.get());
    status.Check();
    napi_value info;
    Check(napi_create_object(env, &info), "an object");
    Check(napi_set_named_property(env, info, "id", ToJs(env, static_cast<int64_t>(graph.outputs.size()))), "id");
    Check(napi_set_named_property(env, info, "dtype", ToJs(env, int64_t{TF_OperationOutputType(output)})), "dtype");
    Check(napi_set_named_property(env, info, "shape", ToJs(env, shape)), "shape");
    Check(napi_set_element(env, result, i, info), "an element");
    graph.outputs.push_back(output);
  }
  return result;
}

TF_OperationDescription *Begin(Graph &graph, const std::string &op) {
  const std::string name = op + "_" + std::to_string(graph.operations);
  return TF_NewOperation(graph.graph, op.c_str(), name.c_str());
}

/// (graph, op, inputs, attributes, controlInputs): an input is an id, or an array of ids where the op takes a list.
napi_value AddOperation(napi_env env, const std::vector<Value> &args) {
  Graph &graph = LiveGraph(args[0]);
  TF_OperationDescription *op = Begin(graph, args[1].String());
  std::string failure;
  try {
    for (const Value &input : args[2].Elements()) {
      if (!input.IsArray()) {
        TF_AddInput(op, graph.Output(input));
        continue;
      }
      const auto list = graph.Outputs(input);
      TF_AddInputList(op, list.data(), list.size());
    }
    for (const Value &attribute : args[3].Elements()) SetAttribute(op, attribute);
    for (const TF_Output &control : graph.Outputs(args[4])) TF_AddControlInput(op, control.oper);
  } catch (const std::exception &error) {
    failure = error.what();
  }
  if (failure.empty()) return Finish(env, graph, op);
  // A description is freed by finishing it alone; whether that succeeds does not matter.
  TF_FinishOperation(op, Status().get());
  throw std::runtime_error(failure);
}

/// (graph, dtype, shape, typedArray)
napi_value AddConstant(napi_env env, const std::vector<Value> &args) {
  Graph &graph = LiveGraph(args[0]);
  const auto dtype = static_cast<TF_DataType>(args[1].Int());
  const TensorPointer tensor = TensorOf(dtype, args[2].Ints(), args[3]);
  TF_OperationDescription *op = Begin(graph, "Const");
  Status status;
  TF_SetAttrType(op, "dtype", dtype);
  TF_SetAttrTensor(op, "value", tensor.get(), status.get());
  status.Check();
  return Finish(env, graph, op);
}

/// (graph): the GraphDef, serialised.
napi_value SerializeGraph(napi_env env, const std::vector<Value> &args) {
  auto buffer = NewBuffer();
  Status status;
  TF_GraphToGraphDef(LiveGraph(args[0]).graph, buffer.get(), status.get());
  status.Check();
  return ToJs(env, *buffer);
}

/// (graph, id): the tensor's name in the GraphDef, `operation:output`.
napi_value NameTensor(napi_env env, const std::vector<Value> &args) {
  const TF_Output &output = LiveGraph(args[0]).Output(args[1]);
  return ToJs(env, std::string(TF_OperationName(output.oper)) + ":" + std::to_string(output.index));
}

TFE_Context *Context(napi_env env) { return ContextOf(*tfnodejs::GetTFJSBackend(env)); }

/// (graph, name, inputs, outputs, xla): the graph as a function that executeOp runs by its name.
napi_value RegisterFunction(napi_env env, const std::vector<Value> &args) {
  Graph &graph = LiveGraph(args[0]);
  const std::string name = args[1].String();
  const auto inputs = graph.Outputs(args[2]);
  const auto outputs = graph.Outputs(args[3]);
  Status status;
  std::unique_ptr<TF_Function, decltype(&TF_DeleteFunction)> function(
      TF_GraphToFunction(graph.graph, name.c_str(), /*append_hash=*/0, /*num_opers=*/-1, nullptr, inputs.size(),
                         inputs.data(), outputs.size(), outputs.data(), nullptr, nullptr, nullptr, status.get()),
      TF_DeleteFunction);
  status.Check();
  if (args[4].Bool()) {
    const char attribute[] = {0x28, 0x01};  // AttrValue { b: true }
    TF_FunctionSetAttrValueProto(function.get(), "_XlaMustCompile", attribute, sizeof attribute, status.get());
    status.Check();
  }
  TFE_ContextAddFunction(Context(env), function.get(), status.get());
  status.Check();
  return nullptr;
}

/// (graph, name): makes a registered function known to the graph, whose ops may then name it in an attribute.
napi_value ImportFunction(napi_env env, const std::vector<Value> &args) {
  auto definition = NewBuffer();
  Status status;
  TFE_ContextGetFunctionDef(Context(env), args[1].String().c_str(), definition.get(), status.get());
  status.Check();
  std::unique_ptr<TF_Function, decltype(&TF_DeleteFunction)> function(
      TF_FunctionImportFunctionDef(definition->data, definition->length, status.get()), TF_DeleteFunction);
  status.Check();
  TF_GraphCopyFunction(LiveGraph(args[0]).graph, function.get(), nullptr, status.get());
  status.Check();
  return nullptr;
}

/// (name)
napi_value RemoveFunction(napi_env env, const std::vector<Value> &args) {
  Status status;
  TFE_ContextRemoveFunction(Context(env), args[0].String().c_str(), status.get());
  status.Check();
  return nullptr;
}

/// (name): whether the context has such a function.
napi_value HasFunction(napi_env env, const std::vector<Value> &args) {
  napi_value result;
  Check(napi_get_boolean(env, TFE_ContextHasFunction(Context(env), args[0].String().c_str()), &result), "a boolean");
  return result;
}

/// (): TensorFlow's op definitions, an OpList, serialised.
napi_value ListOpDefinitions(napi_env env, const std::vector<Value> &) {
  std::unique_ptr<TF_Buffer, decltype(&TF_DeleteBuffer)> buffer(TF_GetAllOpList(), TF_DeleteBuffer);
  return ToJs(env, *buffer);
}

/// (path): loads a shared library, whose ops register themselves; the definitions of those, an OpList, serialised.
napi_value LoadLibrary(napi_env env, const std::vector<Value> &args) {
  Status status;
  std::unique_ptr<TF_Library, decltype(&TF_DeleteLibraryHandle)> library(
      TF_LoadLibrary(args[0].String().c_str(), status.get()), TF_DeleteLibraryHandle);
  status.Check();
  return ToJs(env, TF_GetOpList(library.get()));
}

template <napi_value (*Function)(napi_env, const std::vector<Value> &), size_t Arity>
napi_value Guard(napi_env env, napi_callback_info info) {
  try {
    size_t count = Arity;
    napi_value values[Arity + 1];
    Check(napi_get_cb_info(env, info, &count, values, nullptr, nullptr), "arguments");
    if (count < Arity) throw std::runtime_error("expected " + std::to_string(Arity) + " arguments");
    std::vector<Value> args;
    for (size_t i = 0; i < Arity; i++) args.push_back({env, values[i]});
    return Function(env, args);
  } catch (const std::exception &error) {
    napi_throw_error(env, nullptr, error.what());
    return nullptr;
  }
}

template <napi_value (*Function)(napi_env, const std::vector<Value> &), size_t Arity>
void Export(napi_env env, napi_value exports, const char *name) {
  napi_value function;
  if (napi_create_function(env, name, NAPI_AUTO_LENGTH, Guard<Function, Arity>, nullptr, &function) == napi_ok)
    napi_set_named_property(env, exports, name, function);
}

}  // namespace eflow

NAPI_MODULE_INIT() {
  exports = tfnodejs::InitTFNodeJSBinding(env, exports);
  if (exports == nullptr) return nullptr;
  eflow::Export<eflow::CreateGraph, 0>(env, exports, "createGraph");
  eflow::Export<eflow::DeleteGraph, 1>(env, exports, "deleteGraph");
  eflow::Export<eflow::AddOperation, 5>(env, exports, "addOperation");
  eflow::Export<eflow::AddConstant, 4>(env, exports, "addConstant");
  eflow::Export<eflow::SerializeGraph, 1>(env, exports, "serializeGraph");
  eflow::Export<eflow::NameTensor, 2>(env, exports, "nameTensor");
  eflow::Export<eflow::RegisterFunction, 5>(env, exports, "registerFunction");
  eflow::Export<eflow::ImportFunction, 2>(env, exports, "importFunction");
  eflow::Export<eflow::RemoveFunction, 1>(env, exports, "removeFunction");
  eflow::Export<eflow::HasFunction, 1>(env, exports, "hasFunction");
  eflow::Export<eflow::ListOpDefinitions, 0>(env, exports, "listOpDefinitions");
  eflow::Export<eflow::LoadLibrary, 1>(env, exports, "loadLibrary");
  return exports;
}
