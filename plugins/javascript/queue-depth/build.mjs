// Makes the component: `npm run build`.

import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";
import { componentize } from "@bytecodealliance/componentize-js";

const [source, wit, target] = process.argv.slice(2);
const { component } = await componentize(await readFile(source, "utf8"), {
  sourceName: source,
  witPath: resolve(wit),
  worldName: "check",
  // What a plug-in reaches the world by is pingmon's interface, not these.
  disableFeatures: ["random", "stdio", "clocks", "http", "fetch-event"],
});
await writeFile(target, component);
