import assert from "node:assert/strict";
import { existsSync, globSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { needTools, SUITES } from "../../commands/suites.ts";
import { ROOT } from "../../toolchain/paths.ts";

/** What starts Docker or Pulumi, or talks to them. */
const TOOLS = ["dockerode", "local/index.ts", "toolchain/pulumi.ts"];

/** The files that a module imports, and what these import, from the project's root; packages by name. */
function importsOf(file: string, seen = new Set<string>()): Set<string> {
    const text = readFileSync(path.join(ROOT, file), "utf8");
    for (const [, type, from] of text.matchAll(
        /^(?:import|export) (type )?(?:[^;]*? from )?"([^"]+)"/gm,
    )) {
        const name = from!.startsWith(".") ? path.join(path.dirname(file), from!) : from!;
        if (type !== undefined || seen.has(name)) continue;
        seen.add(name);
        if (existsSync(path.join(ROOT, name))) importsOf(name, seen);
    }
    return seen;
}

describe("suites", () => {
    it("are those in test/", () => {
        const folders = readdirSync(path.join(ROOT, "test"));
        const specs = folders.filter(
            (name) => globSync(path.join(ROOT, "test", name, "*.spec.ts"))[0],
        );
        assert.deepEqual(SUITES.map(({ name }) => name).toSorted(), specs.toSorted());
    });

    for (const { name, fast } of SUITES) {
        it(`${name}: reaches Docker and Pulumi in none of its fast specs`, () => {
            const files = (fast ?? []).flatMap((spec) =>
                globSync(`test/${name}/${spec}.spec.ts`, { cwd: ROOT }),
            );
            for (const file of files) {
                const found = importsOf(file);
                assert.deepEqual(
                    TOOLS.filter((tool) => found.has(tool)),
                    [],
                    file,
                );
            }
        });
    }

    for (const [only, fast, expected] of [
        [[], false, true],
        [["broker"], false, true],
        [["e2e"], false, true],
        [["config", "monitoring"], false, true],
        [["config", "repo"], false, false],
        [["lint"], false, false],
        [["broker"], true, false],
        [[], true, false],
    ] as const) {
        const run = `${fast ? "test:fast" : "test"} ${only.join(" ")}`.trim();
        it(`${run} ${expected ? "sees to" : "does without"} Docker and the other tools`, () => {
            assert.equal(needTools(only, fast), expected);
        });
    }
});
