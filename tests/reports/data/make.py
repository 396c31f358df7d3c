#!/usr/bin/env python3
"""Makes the example results of this folder: python3 make.py. Run by hand when their form changes."""
import json
import math
import random


def interval(value, low, high, n, level=0.95):
    return {"value": value, "low": low, "high": high, "n": n, "level": level}


def check(id, title, verdict, measured=None, expected=None, unit="", why="", evidence=None):
    return {"id": id, "title": title, "verdict": verdict, "measured": measured, "expected": expected,
            "unit": unit, "why": why, "evidence": evidence}


def series(name, title, kind, x, y, points=None, lines=None, log_x=False, log_y=False, gate=None, gate_label="",
           **more):
    s = {"name": name, "title": title, "kind": kind, "x": {"label": x[0], "unit": x[1]},
         "y": {"label": y[0], "unit": y[1]},
         "scale": {"x": "log" if log_x else "linear", "y": "log" if log_y else "linear"}}
    if gate is not None:
        s.update(gate=gate, gate_label=gate_label)
    s["points"] = points or []
    if lines:
        s["lines"] = lines
    s.update(more)
    return s


ORDER = ["pass", "skip", "warn", "inconclusive", "fail", "error"]


def worst(verdicts):
    real = [v for v in verdicts if v != "skip"]
    return max(real, key=ORDER.index) if real else "skip"


def result(model, suites, **run):
    made = [{"name": name, "verdict": worst([c["verdict"] for c in checks]), "checks": checks, "series": plots}
            for name, checks, plots in suites]
    known = dict.fromkeys(["id", "revision", "digest", "architecture", "class", "parameters", "dtype", "context"])
    return {
        "schema": "assay.results/1",
        "tool": {"version": "0.1.0", "commit": "3f1c9e2", "build": "12.2.0"},
        "run": {"id": run.get("id", "20260312T101455Z-4c1f"), "started": "2026-03-12T10:14:55Z",
                "finished": run.get("finished", "2026-03-12T10:41:07Z"),
                "command": ["assay", "run", model["id"], "--profile", "featherless", "--out", "out"],
                "seed": 1,
                "machine": {"cpu": "AMD EPYC 9354P 32-Core Processor", "cores": 32, "threads": 32,
                            "isa": "avx512", "memory_bytes": 270201290752, "os": "Debian GNU/Linux 13",
                            "kernel": "6.12.9"},
                "limits": {"read_gbps": 318.4, "fma_gflops": 3412.0}},
        "model": {**known, **model}, "target": "engine", "profile": "featherless",
        "verdict": worst([s["verdict"] for s in made]), "suites": made}


MISTRAL = {"id": "examples/Mistral-Nemo-12B-Story", "revision": "8b1d6f0c2a97", "digest": "sha256:5ad1…c07e",
           "architecture": "MistralForCausalLM", "class": "mistral-nemo-12b", "parameters": 12247782400,
           "dtype": "bf16", "context": 16384}
TINY = {"id": "fixtures/models/trained", "revision": None, "digest": "sha256:11aa…90ff",
        "architecture": "LlamaForCausalLM", "class": None, "parameters": 7345408, "dtype": "f16", "context": 32768}
NETWORK = "needs the hub: run without HF_HUB_OFFLINE to look it up"


def rules(bad=False):
    p = "featherless/"
    checks = [
        check(p + "base-architecture", "The architecture is one that the profile serves", "pass",
              "MistralForCausalLM, 40 layers, 5120 wide", "the dimensions of one class", why="class mistral-nemo-12b"),
        check(p + "model-card", "The repository has a model card", "pass", "README.md, 4,211 bytes"),
        check(p + "full-weights", "The weights are a whole model, no adapter", "pass", 363, 363, "tensors"),
        check(p + "weights-safetensors", "The weights are safetensors", "pass", 5, 5, "files",
              evidence={"files": [{"name": f"model-0000{i}-of-00005.safetensors", "bytes": 4892809584 - i * 1000,
                                   "tensors": 70 + i} for i in range(1, 6)]}),
        check(p + "fp16-precision", "Large tensors are 16-bit", "warn", "bf16", "f16",
              why="363 tensors are bf16; the profile's text says fp16, and most of its own base models are bf16"),
        check(p + "context-within-native", "The served context is within the native one", "pass", 131072,
              {"min": 16384}, "tokens"),
        check(p + "tokenizer-within-embedding", "Every token id has a row in the embedding", "pass", 131072,
              {"max": 131072}, "ids"),
        check(p + "downloads-100", "At least 100 downloads", "skip", why=NETWORK),
        check(p + "public-or-private", "The repository is public", "skip", why=NETWORK),
        check(p + "private-same-rules", "A private model keeps the same rules", "skip", why=NETWORK),
    ]
    if bad:
        checks[6] = check(
            p + "tokenizer-within-embedding", "Every token id has a row in the embedding", "fail", 131075,
            {"max": 131072}, "ids", "3 added tokens lie beyond the embedding's 131,072 rows: their ids would read "
            "outside the matrix. Resize the embedding or remove the tokens",
            {"tokens": [{"id": 131072, "content": "<|story|>"}, {"id": 131073, "content": "<|scene|>"},
                        {"id": 131074, "content": "<|end|>"}], "file": "tokenizer.json"})
        checks.insert(6, check(
            p + "embedding-unchanged", "The vocabulary has the base model's size", "fail",
            {"embed_tokens": [131072, 5120], "lm_head": [131075, 5120]}, "131072 rows in both", "",
            "lm_head has 3 rows more than the base; the profile forbids a changed vocabulary",
            {"base": "mistralai/Mistral-Nemo-Base-2407", "tensor": "lm_head.weight"}))
    return ("rules", checks, [])


def context(bad=False):
    checks, lengths = [], [4096, 8192, 16384]
    for n in lengths:
        checks += [
            check(f"context/exact-{n}", f"A prompt and completion of exactly {n} tokens are served", "pass", n, n,
                  "tokens", evidence={"prompt": n - 64, "completion": 64, "finish_reason": "length"}),
            check(f"context/over-{n}", f"One token more than {n} is refused, naming the limit", "pass",
                  "refused, names the length", "refused, names the length")]
    checks.append(check("context/agreement", "One pass, chunks and single steps give the same logits", "pass", 0.0,
                        {"max": 0.0}, "", evidence={"chunks": [1, 128, 512, 2048]}))
    recall = interval(0.98, 0.951, 0.994, 200)
    checks.append(check("context/recall-8192", "A fact in the first tokens is recalled at 8192", "pass", recall, 0.9,
                        "", "recall is 98%", {"better": "higher", "sense": "at least", "trials": 200}))
    if bad:
        checks[4] = check("context/exact-16384", "A prompt and completion of exactly 16384 tokens are served", "fail",
                          8192, 16384, "tokens", "the prompt was cut to its last 8,192 tokens without a word",
                          {"prompt": 16320, "counted by the target": 8128, "finish_reason": "length"})
        checks.append(check(
            "context/recall-16384", "A fact in the first tokens is recalled at 16384", "fail",
            interval(0.41, 0.344, 0.479, 200), 0.9, "",
            "recall is 41% (95% interval 34.4% to 47.9%); the gate is at least 90%: the whole interval breaks it",
            {"better": "higher", "sense": "at least", "trials": 200, "recalled": 82,
             "example": "prompt: The code of the blue door is 7 4 1 9.\n...\nQ: the code of the blue door?\n"
                        "answer: The blue door"}))
    random.seed(3)
    depths, grid = [0, 0.25, 0.5, 0.75, 1], []
    for n in [1024, 2048, 4096, 8192, 16384]:
        for d in depths:
            r = 1 - 0.02 * random.random()
            if bad and n == 16384:
                r = min(1, 0.25 + 0.75 * d ** 2 + 0.1 * random.random())
            grid.append([n, d, round(r, 2)])
    ppl = [[128 * 2 ** i, round(9.8 * (128 * 2 ** i) ** -0.06 + (4.5 if bad and i > 6 else 0), 3)] for i in range(8)]
    return ("context", checks, [
        series("recall", "Recall by length and depth", "grid", ("length", "tokens"),
               ("depth of the fact", "fraction of the prompt"), grid, value={"label": "recalled", "unit": "fraction"}),
        series("perplexity-by-position", "Perplexity by position", "line", ("position", "tokens"),
               ("perplexity", ""), [[x, y, y * 0.96, y * 1.045] for x, y in ppl], log_x=True)])


def drift(bad=False):
    kl, scale = (0.0614, 4.2) if bad else (0.0147, 1.0)
    random.seed(11)
    samples = [round(kl * math.exp(0.5 * random.gauss(0, 1) - 0.125), 5) for _ in range(64)]
    verdict = "fail" if bad else "pass"
    checks = [
        check("drift/kl-mean", "Mean KL divergence of fp8 from bf16", verdict,
              interval(kl, kl * 0.91, kl * 1.1, 64), 0.05, "nats",
              f"mean KL divergence is {kl} nats; the gate is at most 0.05 nats",
              {"better": "lower", "sense": "at most", "floor": 0.0, "median": kl / 3, "p99": kl * 9,
               "max": kl * 41, "samples": samples,
               "gate_reason": "above it greedy answers begin to part within a paragraph"}),
        check("drift/top1-agreement", "The most likely token is the same", "inconclusive" if bad else "pass",
              interval(0.9702 if bad else 0.987, 0.9681 if bad else 0.9858, 0.9721 if bad else 0.9881, 64), 0.97, "",
              "agreement is 97.0% (95% interval 96.8% to 97.2%): the interval does not clear the gate, "
              "more documents would decide" if bad else "", {"better": "higher", "sense": "at least"}),
        check("drift/perplexity-ratio", "Perplexity of fp8 over that of bf16", "fail" if bad else "pass",
              interval(1 + 0.0102 * scale, 1 + 0.0089 * scale, 1 + 0.0117 * scale, 64), 1.02, "",
              "the ratio is 1.043; the gate is at most 1.02" if bad else "",
              {"better": "lower", "sense": "at most", "reference": 6.412, "candidate": 6.412 * (1 + 0.0102 * scale)}),
        check("drift/first-split", "Median first token at which greedy continuations part", "pass",
              interval(118, 96, 143, 64), None, "tokens", "reported, no gate is set", {"better": "higher"}),
    ]
    random.seed(7)

    def by_position(k):
        return [[128 * i, round(k * (1 + 0.25 * math.sin(i)) * (1 + i / 60), 5),
                 round(k * (1 + 0.25 * math.sin(i)) * (0.86 + i / 60), 5),
                 round(k * (1 + 0.25 * math.sin(i)) * (1.16 + i / 60), 5)] for i in range(1, 33)]

    layers = [[i, round(0.004 * scale * (1 + i / 12) + (0.05 if bad and i == 17 else 0), 4)] for i in range(40)]
    recipes = [["fp8-tensor", 0.021 * scale, 0.019 * scale, 0.023 * scale],
               ["fp8-channel", kl, kl * .91, kl * 1.1],
               ["fp8-block", 0.0118 * scale, 0.0108 * scale, 0.0129 * scale],
               ["fp8-weight", 0.0061 * scale, 0.0056 * scale, 0.0067 * scale]]
    return ("drift", checks, [
        series("kl-by-position", "KL divergence by position", "line", ("position", "tokens"), ("KL divergence", "nats"),
               by_position(kl), gate=0.05, gate_label="gate: mean at most 0.05"),
        series("error-by-layer", "Relative error of the hidden state, layer by layer", "bars", ("layer", ""),
               ("relative error", ""), layers),
        series("kl-by-recipe", "Mean KL divergence by recipe", "bars", ("recipe", ""), ("KL divergence", "nats"),
               recipes, gate=0.05, gate_label="gate")])


def speed(bad=False):
    f = 0.8 if bad else 1.25
    checks = [
        check("featherless/throughput-10", "More than 10 tokens per second for each request",
              "fail" if bad else "pass", interval(8.41 if bad else 13.2, 8.22 if bad else 12.9, 8.63 if bad else 13.6,
                                                  128), 10, "tokens/s",
              "8.41 tokens/s (95% interval 8.22 to 8.63); the floor is above 10: the whole interval breaks it"
              if bad else "", {"better": "higher", "sense": "above", "limit_fraction": 0.63, "concurrency": 8,
                               "prompt": 2048}),
        check("speed/ttft-p90", "Time to first token, 90th percentile", "inconclusive" if bad else "pass",
              interval(2.96 if bad else 1.41, 2.71 if bad else 1.30, 3.22 if bad else 1.55, 128), 3, "s",
              "2.96 s (95% interval 2.71 to 3.22): the interval does not clear the gate of 3 s, more requests would "
              "decide" if bad else "", {"better": "lower", "sense": "at most"}),
        check("speed/ttft-p99", "Time to first token, 99th percentile", "skip",
              why="needs 662 requests; the budget of 10 minutes allowed 128"),
        check("speed/open-load", "A Poisson load of 2 requests a second is offered as asked",
              "error" if bad else "pass", 1.31 if bad else 2.0, 2.0, "requests/s",
              "1.31 requests a second were offered, 2 were asked for: the client could not keep up, so latencies "
              "under this load say nothing" if bad else ""),
    ]
    con = [1, 2, 4, 8, 16, 32]
    lines = {f"prompt {p}": [[c, round(f * 21 / (1 + c / (18 - p / 400)), 2),
                              round(f * 20.2 / (1 + c / (18 - p / 400)), 2),
                              round(f * 21.9 / (1 + c / (18 - p / 400)), 2)] for c in con] for p in (128, 2048, 6144)}
    random.seed(5)
    scatter = [[i * 2.4, round((2.0 if bad else 1.0) + random.expovariate(2.2), 3)] for i in range(128)]
    return ("speed", checks, [
        series("decode-by-concurrency", "Tokens a second per request", "line", ("requests at once", ""),
               ("decode speed", "tokens/s"), lines=lines, log_x=True, gate=10, gate_label="floor: 10 tokens/s"),
        series("ttft-over-time", "Time to first token over the run", "points", ("time since start", "s"),
               ("time to first token", "s"), scatter, gate=3, gate_label="gate: 3 s at p90")])


def save(name, document):
    with open(name, "w") as f:
        json.dump(document, f, indent=1, ensure_ascii=False)
        f.write("\n")


def hostile():
    text = "</script><img src=x onerror=alert(1)>]]>'\"&<!--{{ 7*7 }}`touch pwned`\u0007\u001b[31m\u202egnp.\u0000 @a"
    key = text.replace("\u0000", "")  # a key cannot hold NUL
    nan = {"__float__": "NaN"}
    checks = [
        check(text + "/a", text, "fail", text, text, text, text, {key: text, "list": [text, [text]], "n": {"a": {}}}),
        check("x/nan", "NaN measured", "fail", nan, {"min": 3}, "s", "is not a number"),
        check("x/inf", "Infinite", "fail", {"__float__": "Infinity"}, {"max": 3}, "s", "is infinite"),
        check("x/odd", "Odd values", "warn", {"value": None, "low": None}, {"max": nan}, "%", "odd",
              {"empty": {}, "none": None, "deep": [[[[[[1]]]]]], "rows": [{"a": 1}, {"b": 2}]}),
        check("x/half", "Half an interval", "inconclusive", interval(3, None, 4, 2), 3.5, "s", "too few",
              {"better": "lower"}),
        check("x/skip", text, "skip", why=text)]
    plots = [
        series(text, text, "line", (text, text), (text, text), [[1, nan], [2, 3, nan, 4], [3, nan, 1, 2], [4, 5]],
               gate=4, gate_label=text),
        series("none", "No points", "line", ("x", ""), ("y", ""), []),
        series("all-nan", "Nothing finite", "points", ("x", ""), ("y", ""), [[nan, nan], ["a", None]]),
        series("one", "One point", "line", ("x", "s"), ("y", "s"), [[5, 5]]),
        series("flat", "Zero everywhere", "line", ("x", ""), ("y", ""), [[i, 0] for i in range(9)]),
        series("log", "Nothing above zero", "line", ("x", ""), ("y", ""), [[0, -1], [-1, 0], [1, 1]], log_x=True,
               log_y=True, gate=-1, gate_label="below the axis"),
        series("huge", "Huge and tiny", "line", ("x", ""), ("y", ""), [[1, 1e308], [2, -1e308], [3, 1e-310], [4, 7]]),
        series("names", text, "bars", (text, ""), ("y", ""), [[text, 1], ["b'c", -2], [None, 3], [4, None]]),
        series("cells", text, "grid", (text, ""), (text, ""), [[text, "a", 1], ["b", text, nan], [1, 2, 0.5]]),
        series("lines", "Named by strangers", "line", ("x", ""), ("y", ""),
               lines={key: [[1, 1], [2, 2]], "": [[1, 2]], "'": [], "plot": [[1, 3], [2, 1, 0, 2]]})]
    d = result({"id": text, "dtype": None, key: text}, [("x", checks, plots), (text, [], [])])
    d["target"], d["profile"] = {"kind": "http", "url": text}, text
    d["suites"][1]["name"] = key
    d["run"]["machine"][key] = {key: [text]}
    return d


def main():
    good = [rules(), context(), drift(), speed()]
    save("pass.json", result(MISTRAL, good))
    save("fail.json", result(MISTRAL, [rules(True), context(True), drift(True), speed(True)],
                             id="20260312T142210Z-9a02"))
    cut = result(TINY, [rules(), ("context", context()[1][:5], context()[2][:1])], finished=None)
    save("interrupted.json", cut)
    unsure = result(MISTRAL, [rules(), ("speed", [dict(speed(True)[1][1])], [])])
    save("inconclusive.json", unsure)
    skips = [("rules", [c for c in rules()[1] if c["verdict"] == "skip"], []), ("speed", [speed()[1][2]], [])]
    save("skips.json", result({"id": "https://api.example.com/v1#story", "dtype": "unknown"}, skips))
    empty = result({"id": "nothing"}, [])
    empty["run"] = {}
    save("empty.json", empty)
    save("hostile.json", hostile())


main()
