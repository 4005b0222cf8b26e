// Bundles src/app.ts into the static files; with --tests, every src/*.test.ts into .tests/ for node's own test runner.
import { build } from "esbuild";
import { readdirSync } from "node:fs";

const tests = process.argv.includes("--tests");
await build(
  tests
    ? {
        entryPoints: readdirSync("src").filter((name) => name.endsWith(".test.ts")).map((name) => `src/${name}`),
        outdir: ".tests",
        bundle: true,
        platform: "node",
        format: "esm",
        packages: "external",
        sourcemap: "inline",
      }
    : {
        entryPoints: ["src/app.ts"],
        outdir: "../static/hardcases/js",
        bundle: true,
        minify: true,
        format: "iife",
        target: "es2022",
        sourcemap: true,
      },
);
