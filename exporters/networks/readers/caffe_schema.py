"""The part of Caffe's ``caffe.proto`` that a forward pass needs, built in code: Caffe itself is not needed.

Source: BVLC/caffe, src/caffe/proto/caffe.proto; the protobuf library parses both the binary and the text form from
these descriptors and skips every field that is not named here.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_ENUMS = {
    "Phase": "TRAIN=0 TEST=1",
    "PoolMethod": "MAX=0 AVE=1 STOCHASTIC=2",
    "EltwiseOp": "PROD=0 SUM=1 MAX=2",
    "NormRegion": "ACROSS_CHANNELS=0 WITHIN_CHANNEL=1",
    "RoundMode": "CEIL=0 FLOOR=1",
    "ReductionOp": "SUM=1 ASUM=2 SUMSQ=3 MEAN=4",
    "LayerType": (
        "NONE=0 ABSVAL=35 ACCURACY=1 ARGMAX=30 BNLL=2 CONCAT=3 CONTRASTIVE_LOSS=37 CONVOLUTION=4 DATA=5 "
        "DECONVOLUTION=39 DROPOUT=6 DUMMY_DATA=32 EUCLIDEAN_LOSS=7 ELTWISE=25 EXP=38 FLATTEN=8 HDF5_DATA=9 "
        "HDF5_OUTPUT=10 HINGE_LOSS=28 IM2COL=11 IMAGE_DATA=12 INFOGAIN_LOSS=13 INNER_PRODUCT=14 LRN=15 "
        "MEMORY_DATA=29 MULTINOMIAL_LOGISTIC_LOSS=16 MVN=34 POOLING=17 POWER=26 RELU=18 SIGMOID=19 "
        "SIGMOID_CROSS_ENTROPY_LOSS=27 SILENCE=36 SOFTMAX=20 SOFTMAX_LOSS=21 SPLIT=22 SLICE=33 TANH=23 "
        "WINDOW_DATA=24 THRESHOLD=31"
    ),
}

# One field an entry: name, number, "*" if repeated, type, "=" default. ceil_mode is a fork's, seen in text only.
_PARAMETERS = {
    "ConcatParameter": "axis 2 int32 =1, concat_dim 1 uint32 =1",
    "BatchNormParameter": "use_global_stats 1 bool, eps 3 float =1e-5",
    "BiasParameter": "axis 1 int32 =1, num_axes 2 int32 =1",
    "ConvolutionParameter": (
        "num_output 1 uint32, bias_term 2 bool =true, pad 3* uint32, kernel_size 4* uint32, stride 6* uint32, "
        "dilation 18* uint32, pad_h 9 uint32, pad_w 10 uint32, kernel_h 11 uint32, kernel_w 12 uint32, "
        "stride_h 13 uint32, stride_w 14 uint32, group 5 uint32 =1, axis 16 int32 =1"
    ),
    "DataParameter": "mean_file 3 string, crop_size 5 uint32, scale 2 float =1",
    "EltwiseParameter": "operation 1 EltwiseOp =SUM, coeff 2* float",
    "ELUParameter": "alpha 1 float =1",
    "ExpParameter": "base 1 float =-1, scale 2 float =1, shift 3 float =0",
    "FlattenParameter": "axis 1 int32 =1, end_axis 2 int32 =-1",
    "InnerProductParameter": "num_output 1 uint32, bias_term 2 bool =true, axis 5 int32 =1, transpose 6 bool =false",
    "InputParameter": "shape 1* BlobShape",
    "LogParameter": "base 1 float =-1, scale 2 float =1, shift 3 float =0",
    "LRNParameter": (
        "local_size 1 uint32 =5, alpha 2 float =1, beta 3 float =0.75, norm_region 4 NormRegion =ACROSS_CHANNELS, "
        "k 5 float =1"
    ),
    "MemoryDataParameter": "batch_size 1 uint32, channels 2 uint32, height 3 uint32, width 4 uint32",
    "MVNParameter": "normalize_variance 1 bool =true, across_channels 2 bool =false, eps 3 float =1e-9",
    "PermuteParameter": "order 1* uint32",
    "PoolingParameter": (
        "pool 1 PoolMethod =MAX, pad 4 uint32, pad_h 9 uint32, pad_w 10 uint32, kernel_size 2 uint32, "
        "kernel_h 5 uint32, kernel_w 6 uint32, stride 3 uint32 =1, stride_h 7 uint32, stride_w 8 uint32, "
        "global_pooling 12 bool =false, round_mode 13 RoundMode =CEIL, ceil_mode 1000 bool =true"
    ),
    "PowerParameter": "power 1 float =1, scale 2 float =1, shift 3 float =0",
    "PReLUParameter": "channel_shared 2 bool =false",
    "ReductionParameter": "operation 1 ReductionOp =SUM, axis 2 int32 =0, coeff 3 float =1",
    "ReLUParameter": "negative_slope 1 float =0",
    "ReshapeParameter": "shape 1 BlobShape, axis 2 int32 =0, num_axes 3 int32 =-1",
    "ScaleParameter": "axis 1 int32 =1, num_axes 2 int32 =1, bias_term 4 bool =false",
    "SliceParameter": "axis 3 int32 =1, slice_point 2* uint32, slice_dim 1 uint32 =1",
    "SoftmaxParameter": "axis 2 int32 =1",
    "TransformationParameter": "scale 1 float =1, crop_size 3 uint32, mean_file 4 string, mean_value 5* float",
}

# data and double_data are packed floats; read as bytes they cost no copy per number.
_MESSAGES = {
    "BlobShape": "dim 1* int64",
    "BlobProto": (
        "shape 7 BlobShape, data 5* bytes, double_data 8* bytes, num 1 int32 =0, channels 2 int32 =0, "
        "height 3 int32 =0, width 4 int32 =0"
    ),
    "NetStateRule": "phase 1 Phase, min_level 2 int32, max_level 3 int32, stage 4* string, not_stage 5* string",
    "NetParameter": (
        "name 1 string, input 3* string, input_shape 8* BlobShape, input_dim 4* int32, layer 100* LayerParameter, "
        "layers 2* V1LayerParameter"
    ),
    "LayerParameter": (
        "name 1 string, type 2 string, bottom 3* string, top 4* string, blobs 7* BlobProto, include 8* NetStateRule, "
        "exclude 9* NetStateRule, transform_param 100 TransformationParameter, batch_norm_param 139 "
        "BatchNormParameter, bias_param 141 BiasParameter, concat_param 104 ConcatParameter, convolution_param 106 "
        "ConvolutionParameter, data_param 107 DataParameter, eltwise_param 110 EltwiseParameter, elu_param 140 "
        "ELUParameter, exp_param 111 ExpParameter, flatten_param 135 FlattenParameter, image_data_param 115 "
        "DataParameter, inner_product_param 117 InnerProductParameter, input_param 143 InputParameter, log_param 134 "
        "LogParameter, lrn_param 118 LRNParameter, memory_data_param 119 MemoryDataParameter, mvn_param 120 "
        "MVNParameter, permute_param 202 PermuteParameter, pooling_param 121 PoolingParameter, power_param 122 "
        "PowerParameter, prelu_param 131 PReLUParameter, reduction_param 136 ReductionParameter, relu_param 123 "
        "ReLUParameter, reshape_param 133 ReshapeParameter, scale_param 142 ScaleParameter, softmax_param 125 "
        "SoftmaxParameter, slice_param 126 SliceParameter"
    ),
    "V1LayerParameter": (
        "bottom 2* string, top 3* string, name 4 string, include 32* NetStateRule, exclude 33* NetStateRule, "
        "type 5 LayerType, blobs 6* BlobProto, concat_param 9 ConcatParameter, convolution_param 10 "
        "ConvolutionParameter, data_param 11 DataParameter, eltwise_param 24 EltwiseParameter, exp_param 41 "
        "ExpParameter, image_data_param 15 DataParameter, inner_product_param 17 InnerProductParameter, lrn_param 18 "
        "LRNParameter, memory_data_param 22 MemoryDataParameter, mvn_param 34 MVNParameter, pooling_param 19 "
        "PoolingParameter, power_param 21 PowerParameter, relu_param 30 ReLUParameter, softmax_param 39 "
        "SoftmaxParameter, slice_param 31 SliceParameter, transform_param 36 TransformationParameter, "
        "layer 1 bytes"
    ),
}

_FIELD = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    kind: getattr(_FIELD, f"TYPE_{kind.upper()}")
    for kind in ("int32", "int64", "uint32", "float", "bool", "string", "bytes")
}


@cache
def message_class(name: str) -> Any:
    """The class of a message of ``caffe.proto``."""
    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"caffe.{name}"))


@cache
def _pool() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="caffe.proto", package="caffe", syntax="proto2")
    for name, values in _ENUMS.items():
        # An enum's values share the scope around it, and several enums have a MAX or a SUM: each gets a message.
        enum = file.message_type.add(name=f"{name}Scope").enum_type.add(name=name)
        for value in values.split():
            key, _, number = value.partition("=")
            enum.value.add(name=key, number=int(number))
    for name, fields in (_PARAMETERS | _MESSAGES).items():
        message = file.message_type.add(name=name)
        for field in fields.split(", "):
            key, number, kind, *default = field.split()
            row = message.field.add(name=key, number=int(number.rstrip("*")))
            row.label = _FIELD.LABEL_REPEATED if number.endswith("*") else _FIELD.LABEL_OPTIONAL
            if kind in _SCALARS:
                row.type = _SCALARS[kind]
            elif kind in _ENUMS:
                row.type, row.type_name = _FIELD.TYPE_ENUM, f".caffe.{kind}Scope.{kind}"
            else:
                row.type, row.type_name = _FIELD.TYPE_MESSAGE, f".caffe.{kind}"
            if default:
                row.default_value = default[0].removeprefix("=")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool
