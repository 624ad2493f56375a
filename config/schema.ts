/** Schema of each setting by itself. Pulumi passes values as text, structured ones as JSON text. */
import { z } from "zod";
import { MODES } from "../broker/conf.ts";
import { MAX_PACKET_BYTES } from "../broker/limits.ts";
import { ON_REPLACE } from "../providers/fly/volume/inputs.ts";
import { appNameProblem, volumeNameProblem } from "../providers/fly/rules.ts";
import { settingCommand } from "./commands.ts";
import { DEFAULT_BASE_IMAGE, FLY_MACHINES } from "./defaults.ts";
import { EVERYONE_SHAPE, everyoneSchema, USERS_SHAPE, usersSchema } from "./grants.ts";
import { canonicalIpv6, canonicalServerName, serverNameProblem } from "./serverNames.ts";

const integer = (min: number, max: number) => {
    const rule = `must be a whole number from ${min} to ${max}`;
    return z
        .string({ error: rule })
        .regex(/^-?\d+$/, rule)
        .transform(Number)
        .refine((value) => value >= min && value <= max, rule);
};

const flag = z
    .enum(["true", "false"], { error: "must be true or false" })
    .transform((value) => value === "true");

/** One of several words; lower rooms that give them a meaning list them. */
const oneOf = <const T extends readonly [string, ...string[]]>(words: T) =>
    z.enum(words, {
        error: `must be ${words.slice(0, -1).join(", ")} or ${words.at(-1)}`,
    });

/** A rule that the providers share; its message already includes the value. */
const rule = (problem: (value: string) => string | undefined) =>
    z.string({ error: "must be a string" }).superRefine((value, context) => {
        const message = problem(value);
        if (message !== undefined)
            context.addIssue({ code: "custom", message, params: MESSAGE_INCLUDES_VALUE });
    });

/** Marks an issue whose message already includes the value. */
export const MESSAGE_INCLUDES_VALUE = { messageIncludesValue: true };

/**
 * Parses a structured setting, which arrives as JSON text.
 * @param example the setting and a value, for the command in the error
 */
const json = <T extends z.ZodType>(schema: T, shape: string, [key, example]: [string, unknown]) =>
    z.string().transform((text, context): z.output<T> => {
        let value: unknown;
        try {
            value = JSON.parse(text);
        } catch {
            value = text;
        }
        const parsed = schema.safeParse(value);
        if (parsed.success) return parsed.data;
        for (const issue of parsed.error.issues) {
            const own = !/^(Invalid input|Unrecognized key)/.test(issue.message);
            const way =
                issue.code === "invalid_type" && issue.path.length === 0
                    ? ` (\`${settingCommand(key, example)}\`)`
                    : "";
            const foreign =
                issue.code === "unrecognized_keys"
                    ? `${issue.keys.join(", ")} is not one of its keys; `
                    : "";
            context.addIssue({
                code: "custom",
                path: issue.path,
                message: (own ? issue.message : `${foreign}must be ${shape}`) + way,
                ...(issue.code === "custom" && { params: issue.params }),
            });
        }
        return z.NEVER;
    });

const unique = (values: (string | number)[], context: z.RefinementCtx) => {
    values.forEach((value, at) => {
        if (values.indexOf(value) !== at) {
            context.addIssue({ code: "custom", path: [at], message: "is listed twice" });
        }
    });
};

const generation = z
    .int("must be a whole number from 1 to 1000")
    .min(1, "must be a whole number from 1 to 1000")
    .max(1000, "must be a whole number from 1 to 1000");

const url = z
    .url({ protocol: /^https?$/, error: "must be an http or https URL" })
    .superRefine((text, context) => {
        if (!URL.canParse(text)) return;
        const { username, password, search, hash, pathname } = new URL(text);
        const extra = [username, password, search, hash].some((part) => part !== "");
        if (!extra && !/^\/v\d+\/*$/.test(pathname)) return;
        const message = extra ? "must have neither user nor query" : "must end before /v1";
        context.addIssue({ code: "custom", message });
    });

const serverNames = z
    .array(
        z.string().superRefine((name, context) => {
            const message = serverNameProblem(name);
            if (message !== undefined) context.addIssue({ code: "custom", message });
        }),
    )
    .superRefine((names, context) => unique(names.map(canonicalServerName), context));

export const schema = z.object({
    appName: rule(appNameProblem).optional(),
    organization: z
        .string()
        .regex(/^[a-z0-9-]+$/, "must be an organisation's slug")
        .default("personal"),
    region: z
        .string()
        .regex(/^[a-z]{3}$/, "must be a Fly region of three letters, as lhr")
        .default("lhr"),
    port: integer(1, 65535).default(10000),
    users: json(usersSchema, USERS_SHAPE, ["users", [{ name: "sensors", write: ["sensors/#"] }]]),
    everyone: json(everyoneSchema, EVERYONE_SHAPE, ["everyone", { read: ["news/#"] }]).default({
        read: [],
        write: [],
        readWrite: [],
    }),
    volumeSizeGb: integer(1, 500).default(1),
    volumeName: rule(volumeNameProblem).default("mosquitto_data"),
    protectVolume: flag.default(false),
    retainVolume: flag.default(false),
    volumeReplacement: oneOf(ON_REPLACE).default("refuse"),
    volumeSnapshot: z
        .string()
        .regex(/^vs_\w+$/, "must be a snapshot's ID, vs_…")
        .optional(),
    snapshotRetentionDays: integer(1, 60).default(5),
    machineName: z
        .string()
        .regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "must be lowercase letters, digits and hyphens")
        .default("mosquitto"),
    import: json(
        z.strictObject({
            app: z.string().optional(),
            v4: z.ipv4("must be an IPv4 address").optional(),
            v6: z.ipv6("must be an IPv6 address").transform(canonicalIpv6).optional(),
            volume: z
                .string()
                .regex(/^vol_\w+$/, "must be a volume's ID, vol_…")
                .optional(),
            machine: z
                .string()
                .regex(/^[0-9a-f]+$/, "must be a machine's ID, as 9080e1fe702487")
                .optional(),
        }),
        "a map of app, v4, v6, volume, machine to the ID of what to import",
        ["import", { app: "NAME" }],
    ).default({}),
    cpuKind: oneOf(["shared", "performance"]).default("shared"),
    cpus: integer(1, 128).default(1),
    memoryMb: integer(256, 128 * 8192).default(256),
    ipv6: flag.default(true),
    ipv4: flag.default(false),
    sharedIpv4: flag.default(false),
    tls: oneOf(MODES.tls).default("broker"),
    webSockets: oneOf(MODES.webSockets).default("off"),
    webSocketsPort: integer(1, 65535).optional(),
    connectBy: oneOf(["hostname", "address"]).default("hostname"),
    hostnames: json(serverNames, "a list of host names and IP addresses", [
        "hostnames",
        ["mqtt.example.com"],
    ]).default([]),
    certificateValidDays: integer(1, 825).default(365),
    certificateRenewDays: integer(0, 824).default(30),
    expiryWarningDays: integer(0, 3650).default(30),
    passwordStrength: integer(0, 4).default(2),
    clientIds: oneOf(MODES.clientIds).default("any"),
    clientCertificates: oneOf(MODES.clientCertificates).default("off"),
    devices: json(z.array(z.string()).superRefine(unique), "a list of user names", [
        "devices",
        ["pump"],
    ]).default([]),
    clientCertificatePort: integer(1, 65535).optional(),
    caTrusted: json(
        z
            .array(generation, {
                error: "must be a list of the CA's generations, as [1] or [1, 2]",
            })
            .min(1, "must name a generation, or clients would trust none")
            .max(2, "must name at most two, the old one and its successor")
            .superRefine(unique),
        "a list of the CA's generations, as [1] or [1, 2]",
        ["caTrusted", [1]],
    ).default([1]),
    caIssuer: integer(1, 1000).default(1),
    clientsShutOut: oneOf(["refuse", "allow"]).default("refuse"),
    baseImage: z
        .string()
        .regex(
            /^[a-z0-9][a-z0-9._/:-]*(:\w[\w.-]*)?(@sha256:[0-9a-f]{64})?$/,
            "must be an image reference, as eclipse-mosquitto:2.1.2-alpine",
        )
        .default(DEFAULT_BASE_IMAGE),
    metrics: flag.default(true),
    retainedMessages: flag.default(true),
    memoryLimitMb: integer(16, 1024 * 1024).optional(),
    maxConnections: integer(1, 1_000_000).optional(),
    maxPacketBytes: integer(1024, MAX_PACKET_BYTES).optional(),
    maxQueuedMessages: integer(1, 1_000_000).optional(),
    maxQueuedBytes: integer(1024, 1024 ** 4).optional(),
    maxInflightMessages: integer(1, 65535).optional(),
    maxKeepaliveSeconds: integer(0, 65535).optional(),
    sessionExpiryDays: integer(0, 3650).optional(),
    endpoint: url.default(FLY_MACHINES),
    logsEndpoint: url.optional(),
    registry: z
        .string()
        .regex(/^[a-z0-9.-]+(:\d+)?$/i, "must be a host, or host:port, without scheme or path")
        .default("registry.fly.io"),
});

/** Settings by name, each well-formed. */
export type Values = z.output<typeof schema>;

export const passwordsSchema = json(
    z.record(z.string(), z.string()),
    "a map of user name to password",
    ["passwords", {}],
);
