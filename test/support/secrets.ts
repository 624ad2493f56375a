/** Every secret of a deployed stack, in each form that it could be written in. */
import type { BrokerOutputs } from "../../config/outputs.ts";
import { unpack } from "../../providers/packed.ts";
import type { Project } from "../../dev/harness/project.ts";

export async function secretsIn(
    project: Project,
    outputs: BrokerOutputs,
    token: string,
): Promise<Record<string, string>> {
    const password = Object.values(outputs.users)[0]!;
    const { stdout } = await project.pulumi([
        "stack",
        "export",
        "--show-secrets",
        "--stack",
        "dev",
    ]);
    const packed = packedTexts(stdout);
    const state = [stdout, ...packed.map((text) => JSON.stringify(unpack(text)))].join("\n");
    const keys = [
        ...state.matchAll(/-----BEGIN [A-Z ]*PRIVATE KEY-----\\+n([A-Za-z0-9+/]{40,64})/g),
    ];
    if (keys.length === 0) throw new Error("no private key is in the exported state");
    const hash = /\$7\$[0-9]+\$[A-Za-z0-9+/=]+\$[A-Za-z0-9+/=]+/.exec(state);
    if (hash === null) throw new Error("no password hash is in the exported state");
    return {
        "the password": password,
        "the password in base64": Buffer.from(password).toString("base64").slice(0, -2),
        "the token": token,
        "the password's hash": hash[0],
        ...Object.fromEntries(keys.map((key, at) => [`private key ${at}`, key[1]!])),
        ...Object.fromEntries(packed.map((text, at) => [`packed text ${at}`, text.slice(16, 80)])),
    };
}

/** Serialized properties in a text; all begin alike. */
export function packedTexts(text: string): string[] {
    return text.match(/H4sIAAAA[A-Za-z0-9+/=]+/g) ?? [];
}
