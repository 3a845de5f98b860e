"""Optimise pixels through any neural network with ONNX Runtime alone."""
