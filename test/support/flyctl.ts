/**
 * Stands in for flyctl: knows the subcommands that the pages name, with the options that flyctl has for them,
 * and sends to the local Fly what flyctl sends to the Machines API. FLY_TEST_ENDPOINT, FLY_API_TOKEN and
 * FLY_TEST_APP (the machine's app, which flyctl looks up where no `-a` is given) come from the environment.
 */
import { parseArgs, type ParseArgsConfig } from "node:util";

interface Subcommand {
    readonly options: NonNullable<ParseArgsConfig["options"]>;
    readonly positionals: number;
    /** Whether flyctl needs `-a`, unless a fly.toml has the app. */
    readonly needsApp?: true;
    readonly request: (
        args: string[],
        options: Record<string, string | boolean | undefined>,
    ) => [method: string, path: string, body?: object];
}

const APP = { app: { type: "string", short: "a" } } as const;
const TEXT = { type: "string" } as const;

const SUBCOMMANDS: Record<string, Subcommand> = {
    "volumes create": {
        options: { ...APP, "snapshot-id": TEXT, region: { ...TEXT, short: "r" }, size: TEXT },
        positionals: 1,
        needsApp: true,
        request: ([name], { "snapshot-id": snapshot_id, region, size }) => [
            "POST",
            "/volumes",
            { name, region, size_gb: Number(size), snapshot_id },
        ],
    },
    "volumes fork": {
        options: APP,
        positionals: 1,
        needsApp: true,
        request: ([id]) => [
            "POST",
            "/volumes",
            { name: "mosquitto_data", source_volume_id: id, region: "" },
        ],
    },
    "volumes destroy": {
        options: APP,
        positionals: 1,
        request: ([id]) => ["DELETE", `/volumes/${id}`],
    },
    "volumes snapshots list": {
        options: APP,
        positionals: 1,
        request: ([id]) => ["GET", `/volumes/${id}/snapshots`],
    },
    "volumes snapshots create": {
        options: APP,
        positionals: 1,
        request: ([id]) => ["POST", `/volumes/${id}/snapshots`],
    },
    "machine exec": {
        options: APP,
        positionals: 2,
        request: ([id, cmd]) => ["POST", `/machines/${id}/exec`, { cmd }],
    },
    "machine stop": {
        options: APP,
        positionals: 1,
        request: ([id]) => ["POST", `/machines/${id}/stop`, {}],
    },
    "machine destroy": {
        options: { ...APP, force: { type: "boolean", short: "f" } },
        positionals: 1,
        request: ([id], { force }) => ["DELETE", `/machines/${id}?force=${force === true}`],
    },
};

const words = process.argv.slice(2);
const name = Object.keys(SUBCOMMANDS).find((one) => `${words.join(" ")} `.startsWith(`${one} `));
if (name === undefined) throw new Error(`flyctl's stand-in does not know: ${words.join(" ")}`);
const { options, positionals: expected, needsApp, request } = SUBCOMMANDS[name]!;
const { values, positionals } = parseArgs({
    args: words.slice(name.split(" ").length),
    options,
    allowPositionals: true,
});
const given = values as Record<string, string | boolean | undefined>;
if (positionals.length !== expected) throw new Error(`fly ${name} takes ${expected} arguments`);
if (needsApp && given["app"] === undefined) throw new Error(`fly ${name} needs -a APP`);

const { FLY_TEST_ENDPOINT, FLY_TEST_APP, FLY_API_TOKEN } = process.env;
const [method, path, body] = request(positionals, given);
const app = given["app"] ?? FLY_TEST_APP;
const response = await fetch(`${FLY_TEST_ENDPOINT}/v1/apps/${app}${path}`, {
    method,
    headers: { authorization: `Bearer ${FLY_API_TOKEN}`, "content-type": "application/json" },
    ...(body && { body: JSON.stringify(body) }),
});
const answer = await response.text();
process.stdout.write(answer);
const { exit_code: code = 0 } = JSON.parse(answer || "{}") as { exit_code?: number };
process.exitCode = response.ok && code === 0 ? 0 : 1;
