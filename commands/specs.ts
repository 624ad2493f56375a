/** Lists the specs below test/ and chooses those that a run takes. */
import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { ROOT } from "../lib/paths.ts";

export interface Spec {
    /** Path from the project's root. */
    readonly file: string;
    /** Folder in test/, named after the part of the project that the spec tests. */
    readonly room: string;
    /** Room and name, such as `broker/monitor`. */
    readonly name: string;
    /** Whether it needs no tools on the machine, neither Docker nor Pulumi. */
    readonly unit: boolean;
    /** Whether `npm test` runs it; `npm run test:all` runs every spec. */
    readonly core: boolean;
}

/** First line of a spec that `npm test` runs. Unit specs need none: all of them run. */
const CORE = "// core\n";

/** Modules that start Docker, Pulumi or other programs, or talk to them. */
const TOOLS = ["dockerode", "node:child_process", "dev/fly/index.ts", "dev/toolchain/pulumi.ts"];

/** Rooms whose specs start no program except git. */
const UNIT_ROOMS = ["repo", "backup", "config"];

export function allSpecs(): Spec[] {
    return globSync("test/*/*.spec.ts", { cwd: ROOT })
        .toSorted()
        .map((file) => {
            const room = path.basename(path.dirname(file));
            const unit = UNIT_ROOMS.includes(room) || !reachesTools(file);
            const core = unit || readFileSync(path.join(ROOT, file), "utf8").startsWith(CORE);
            return { file, room, name: `${room}/${path.basename(file, ".spec.ts")}`, unit, core };
        });
}

export type Scope = "fast" | "core" | "all";

/**
 * Chooses the specs of a run.
 * @param names rooms or specs to run whole, whatever the scope; none means all of the scope
 */
export function chooseSpecs(
    specs: readonly Spec[],
    scope: Scope,
    names: readonly string[] = [],
): Spec[] {
    return specs.filter(({ room, name, unit, core }) => {
        if (names.length > 0 && !names.includes(room) && !names.includes(name)) return false;
        if (scope === "fast") return unit;
        return scope === "all" || names.length > 0 || core;
    });
}

function reachesTools(file: string): boolean {
    const imports = importsOf(file);
    return TOOLS.some((tool) => imports.has(tool));
}

/** Files that a module imports, directly or not, as paths from the project's root; packages by name. */
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
