// Greedy completions by node-llama-cpp's prebuilt llama.cpp.
// Usage: node complete.mjs FILE.gguf < REQUEST.json   with {"prompts": [text …], "most": tokens}
// Prints {"tokens": [[prompt's token …] …], "texts": [answer …]}.
import { readFileSync } from "node:fs";
import { getLlama } from "node-llama-cpp";

const { prompts, most } = JSON.parse(readFileSync(0, "utf8"));
const llama = await getLlama({ build: "never", gpu: false, logLevel: "error" });
const model = await llama.loadModel({ modelPath: process.argv[2] });
const context = await model.createContext({ contextSize: 4096, threads: 1 });
const sequence = context.getSequence();
const tokens = [];
const texts = [];
for (const prompt of prompts) {
  const read = model.tokenize(prompt, true);
  const answer = [];
  await sequence.clearHistory();
  for await (const token of sequence.evaluate(read, { temperature: 0 })) {
    if (model.isEogToken(token) || answer.push(token) >= most) break;
  }
  tokens.push(read);
  texts.push(model.detokenize(answer));
}
process.stdout.write(JSON.stringify({ tokens, texts }));
process.exit(0);
