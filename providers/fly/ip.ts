/** Manages an IP address of an app. Fly assigns none by itself to an app that is made over the API. */
import {
    diffProperties,
    failuresOf,
    inputsOf,
    isUnknown,
    toState,
    type PropertyRules,
    type Provider,
    type WithProvider,
} from "../provider.ts";
import { flyClient, type FlyClient } from "./api/client.ts";
import { askAgainAt, isAmbiguous } from "./api/errors.ts";
import { IMPORTED_BEFORE } from "./ownership.ts";
import { configure } from "./api/token.ts";
import type { WireIp } from "./api/types.ts";
import { deadlineIn, poll } from "./api/wait.ts";

/**
 * `v4` is dedicated and costs $2 a month; `v6` is dedicated and free; `shared_v4` is free, but only for HTTP
 * and for TLS that Fly's proxy routes by name.
 */
export type IpType = "v4" | "v6" | "shared_v4";

export interface IpAddressInputs {
    /** Base of the Machines API. A change is recorded in the state. */
    endpoint: string;
    /** A change replaces the address. */
    app: string;
    /** At most one address of each type per app. A change replaces the address. */
    type: IpType;
    /** A change replaces the address. @default reachable in all regions */
    region?: string;
    /** Address of the app to import. Read at create; a change does nothing. */
    importId?: string;
}

export interface IpAddressOutputs extends IpAddressInputs {
    address: string;
    shared: boolean;
}

export const IP_RULES: PropertyRules<IpAddressInputs> = {
    endpoint: { effect: "update" },
    app: { effect: "replace" },
    type: { effect: "replace" },
    region: { effect: "replace" },
    importId: { effect: "none", optional: true },
};

const TYPES: readonly string[] = ["v4", "v6", "shared_v4"];

/** Seconds to look for an assignment whose answer was lost. */
const AGAIN_WITHIN_S = 180;

export const ipAddress: Provider<IpAddressInputs, IpAddressOutputs> = {
    configure,

    check(_olds, news) {
        const known = isUnknown(news.type) || TYPES.includes(news.type);
        const failures = failuresOf([
            ["type", known ? undefined : `"${news.type}": must be one of ${TYPES.join(", ")}`],
            ["app", news.app ? undefined : "an address needs an app"],
        ]);
        return Promise.resolve({ inputs: news, failures });
    },

    diff(_id, olds, news) {
        const { changed, replaces } = diffProperties(olds, news, IP_RULES);
        return Promise.resolve({
            changes: changed.length > 0,
            replaces,
            // A new one of the same type and app would adopt the old one.
            deleteBeforeReplace: !replaces.includes("app") && !replaces.includes("type"),
        });
    },

    async create(inputs) {
        const address = await ensureAddress(flyClient(inputs.endpoint), inputs);
        return { id: address.ip, outs: toOutputs(inputs, address) };
    },

    async read(id, props) {
        if (!props) {
            throw new Error("An address' state has no properties: it cannot be read.");
        }
        const found = await findAddress(flyClient(props.endpoint), props.app, id);
        if (!found) {
            return {};
        }
        const inputs = inputsOf<IpAddressInputs>(props, IP_RULES);
        return {
            id,
            props: toOutputs(inputs, found),
            inputs: toState(inputs) as IpAddressOutputs,
        };
    },

    async update(id, _olds, news) {
        const found = await findAddress(flyClient(news.endpoint), news.app, id);
        if (!found) {
            throw new Error(
                `Address ${id} of app "${news.app}" is not at ${news.endpoint}.\n` +
                    "  If someone released it, run `pulumi up --refresh`.",
            );
        }
        return { outs: toOutputs(news, found) };
    },

    async delete(id, props) {
        await flyClient(props.endpoint).remove(["apps", props.app, "ip_assignments", id]);
    },
};

async function ensureAddress(client: FlyClient, inputs: IpAddressInputs): Promise<WireIp> {
    const path = ["apps", inputs.app, "ip_assignments"];
    let lost: unknown;
    let askAt = 0;
    const address = await poll(deadlineIn(AGAIN_WITHIN_S), async () => {
        // Concurrent creates share the first list, but not one after a lost answer.
        const { ips } = lost
            ? await client.get<{ ips: WireIp[] | null }>(path)
            : await client.getShared<{ ips: WireIp[] | null }>(path);
        const wanted = (ips ?? []).filter((ip) => isWanted(ip, inputs));
        if (inputs.importId !== undefined) {
            return importable(inputs, wanted);
        }
        if (wanted[0]) {
            return wanted[0];
        }
        if (performance.now() < askAt) {
            return undefined;
        }
        try {
            const { type, region } = inputs;
            return await client.post<WireIp>(path, { body: { type, ...(region && { region }) } });
        } catch (error) {
            if (!isAmbiguous(error)) {
                throw error;
            }
            lost = error;
            askAt = askAgainAt(error);
            return undefined;
        }
    });
    if (!address) {
        throw lost;
    }
    return address;
}

function importable({ app, type, importId }: IpAddressInputs, wanted: readonly WireIp[]): WireIp {
    const found = wanted.find(({ ip }) => ip === importId);
    if (!found) {
        const others = wanted.map(({ ip }) => ip).join(", ") || "none";
        throw new Error(
            `Cannot import address ${importId}: app "${app}" does not have it among its addresses of type ${type}: ${others}.\n` +
                IMPORTED_BEFORE,
        );
    }
    return found;
}

function isWanted(ip: WireIp, inputs: IpAddressInputs): boolean {
    return (
        typeOf(ip) === inputs.type &&
        !ip.service_name &&
        (inputs.region === undefined || ip.region === inputs.region)
    );
}

/** Derives an address's type, which Fly's answer lacks. `fdaa:` is its private network. */
function typeOf(ip: WireIp): IpType | "private_v6" {
    if (ip.ip.includes(":")) {
        return ip.ip.toLowerCase().startsWith("fdaa:") ? "private_v6" : "v6";
    }
    return ip.shared ? "shared_v4" : "v4";
}

async function findAddress(
    client: FlyClient,
    app: string,
    address: string,
): Promise<WireIp | undefined> {
    const path = ["apps", app, "ip_assignments"];
    const found = await client.find<{ ips: WireIp[] | null }>(path);
    return (found?.ips ?? []).find(({ ip }) => ip === address);
}

function toOutputs(inputs: WithProvider<IpAddressInputs>, found: WireIp): IpAddressOutputs {
    return toState({ ...inputs, address: found.ip, shared: found.shared ?? false });
}
