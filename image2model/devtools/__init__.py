"""Tools for people who build on image2model or host it: a stand-in for fal, a smoke test, a scripted generator."""
