/**
 * Provider of files that app secrets carry to a machine. Fly gives a machine the secrets that exist when it is
 * created or updated; a restart brings no newer ones.
 */
import { diffProperties, failuresOf, isUnknown, toState, type Provider } from "../../provider.ts";
import { sizeProblem } from "./bundle.ts";
import { flyClient } from "../api/client.ts";
import { isGone } from "../api/errors.ts";
import { inForce } from "./live.ts";
import { changeSecrets, setSecrets, stillNeeded, valuesOf } from "./change.ts";
import { SECRETS_RULES, type SecretsInputs, type SecretsOutputs } from "./inputs.ts";
import { complete, filesDiffer, newSalt, type WireSecrets } from "./state.ts";
import { configure } from "../api/token.ts";

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** A file's name, which is the first word of a section in the bundle. */
const FILE = /^[A-Za-z0-9._-]+$/;

export const secrets: Provider<SecretsInputs, SecretsOutputs> = {
    configure,

    check(_olds, news) {
        const names = isUnknown(news.names) ? [] : news.names;
        const files = isUnknown(news.files) ? [] : Object.entries(news.files);
        const wrong = names.filter((name) => !NAME.test(name));
        const misnamed = files.map(([name]) => name).filter((name) => !FILE.test(name));
        const notText = files.filter(([, text]) => typeof text !== "string").map(([name]) => name);
        const known = files.length > 0 && !files.some(([, text]) => isUnknown(text));
        const failures = failuresOf([
            [
                "names",
                wrong.length > 0
                    ? `${wrong.join(", ")}: a secret's name is letters, digits and underscores, and does not start with a digit`
                    : undefined,
            ],
            [
                "names",
                names.length > 0 || isUnknown(news.names) ? undefined : "files need a secret",
            ],
            [
                "files",
                misnamed.length > 0
                    ? `${misnamed.join(", ")}: a file's name is letters, digits, dots, underscores and hyphens`
                    : undefined,
            ],
            ["files", notText.length > 0 ? `${notText.join(", ")}: not a string` : undefined],
            [
                "files",
                known && notText.length === 0 && names.length > 0
                    ? sizeProblem(valuesOf(news, Date.now()))
                    : undefined,
            ],
            ["app", news.app ? undefined : "secrets need an app"],
        ]);
        return Promise.resolve({ inputs: news, failures });
    },

    diff(_id, state, news) {
        const olds = complete(state);
        const { changed, replaces } = diffProperties<Omit<SecretsInputs, "files">>(
            olds,
            news,
            SECRETS_RULES,
        );
        return Promise.resolve({
            changes:
                changed.length > 0 || filesDiffer(olds, news) || state.restartVersion === undefined,
            replaces,
        });
    },

    async create(inputs) {
        const olds = { salt: newSalt(), digests: {} };
        const id = `${inputs.app}/secrets`;
        return { id, outs: await changeSecrets(id, inputs, olds, { removed: [], left: [] }) };
    },

    async read(id, props) {
        if (!props) {
            throw new Error("The secrets' state has no properties: they cannot be read.");
        }
        const path = ["apps", props.app, "secrets"];
        const found = await flyClient(props.endpoint).find<WireSecrets>(path);
        if (!found) {
            return {};
        }
        const present = new Map((found.secrets ?? []).map(({ name, digest }) => [name, digest]));
        const olds = complete(props);
        const { digests } = olds;
        const names = Object.keys(digests);
        if (names.length > 0 && !names.some((name) => present.has(name))) {
            return {};
        }
        // After a manual change the state has no fingerprints, so that every file differs.
        const asSet = olds.names.every((name) => present.get(name) === digests[name]);
        const asWanted = asSet && (await isInForce(props));
        return {
            id,
            props: toState({
                ...props,
                digests: Object.fromEntries(
                    names.flatMap((name) => {
                        const digest = present.get(name);
                        return digest === undefined ? [] : [[name, digest]];
                    }),
                ),
                fingerprints: asWanted ? (props.fingerprints ?? {}) : {},
            }),
        };
    },

    async update(id, state, news) {
        const olds = complete(state);
        const { endpoint, app, names, live } = news;
        const same =
            olds.endpoint === endpoint &&
            names.every((name) => name in olds.digests) &&
            !filesDiffer(olds, news);
        if (same) {
            return { outs: { ...olds, endpoint, app, names, ...(live && { live }) } };
        }
        const problem = sizeProblem(valuesOf(news, Date.now()));
        if (problem !== undefined) {
            throw new Error(`${problem}. Nothing was changed.`);
        }
        const unnamed = Object.keys(olds.digests).filter((name) => !names.includes(name));
        const left = await stillNeeded(news, unnamed);
        const removed = unnamed.filter((name) => !left.includes(name));
        return { outs: await changeSecrets(id, news, olds, { removed, left }) };
    },

    async delete(_id, props) {
        const names = Object.keys(complete(props).digests);
        if (names.length === 0) {
            return;
        }
        try {
            await setSecrets(props, Object.fromEntries(names.map((name) => [name, null])));
        } catch (error) {
            if (!isGone(error)) {
                throw error;
            }
        }
    },
};

/** Tells whether the running machine has the last files and keeps them over a restart; true where it cannot tell. */
async function isInForce(props: SecretsOutputs): Promise<boolean> {
    const { endpoint, app, live, number, digest }: Partial<SecretsOutputs> = props;
    if (!live?.state || number === undefined || digest === undefined) {
        return true;
    }
    const found = await inForce({ client: flyClient(endpoint), app }, live);
    if (!found) {
        return true;
    }
    const same = found.number === number && found.digest === digest && found.restart === number;
    if (!same) {
        console.log(`machine "${live.machine}": its files differ from those it was given last`);
    }
    return same;
}
