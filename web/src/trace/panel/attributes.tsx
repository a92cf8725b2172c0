/** A list of attributes: grouped, searchable, with their types, and all of it can be copied. */
import { useState } from "preact/hooks";
import type { Attribute } from "../../api/types.ts";
import {
  attributeMatches,
  attributesObject,
  groupAttributes,
  valueText,
} from "../../format/values.ts";
import { Icon } from "../../shell/icons.tsx";
import { Menu } from "../../shell/menu.tsx";
import { copyText } from "../../shell/toast.tsx";

const LONG = 240;
const SEARCH_FROM = 8;

function Value({ attribute }: { attribute: Attribute }) {
  const [whole, setWhole] = useState(false);
  const text = valueText(attribute);
  const isLong = text.length > LONG;
  return (
    <>
      <span class={`value value-${attribute.type}`}>
        {isLong && !whole ? `${text.slice(0, LONG)}…` : text === "" ? <i>empty</i> : text}
      </span>
      {isLong && (
        <button type="button" class="link" onClick={() => setWhole(!whole)}>
          {whole ? "less" : `all ${text.length.toLocaleString("en-US")} characters`}
        </button>
      )}
    </>
  );
}

export function AttributeRow({ attribute }: { attribute: Attribute }) {
  const text = valueText(attribute);
  return (
    <div class="attribute" data-copy={text}>
      <dt title={attribute.key}>{attribute.key}</dt>
      <dd>
        <Value attribute={attribute} />
        <span class="attribute-type">{attribute.type}</span>
        <Menu
          label={`Copy ${attribute.key}`}
          className="icon-button attribute-copy"
          items={[
            { label: "Copy value", run: () => void copyText(text, "the value") },
            {
              label: "Copy key=value",
              run: () => void copyText(`${attribute.key}=${quoted(text)}`, "key=value"),
            },
            {
              label: "Copy as JSON",
              run: () =>
                void copyText(JSON.stringify(attributesObject([attribute]), null, 2), "JSON"),
            },
          ]}
        >
          <Icon name="copy" />
        </Menu>
      </dd>
    </div>
  );
}

/** Return a value as the search field takes it. */
function quoted(text: string): string {
  return /^[\w./:-]+$/.test(text) ? text : JSON.stringify(text);
}

export function AttributeList({
  attributes,
  noun = "attribute",
}: {
  attributes: Attribute[];
  noun?: string;
}) {
  const [filter, setFilter] = useState("");
  const found =
    filter === "" ? attributes : attributes.filter((one) => attributeMatches(one, filter));
  return (
    <>
      {attributes.length >= SEARCH_FROM && (
        <div class="attribute-search">
          <input
            type="search"
            placeholder={`Filter ${attributes.length} ${noun}s`}
            aria-label={`Filter ${noun}s`}
            value={filter}
            spellcheck={false}
            onInput={(event) => setFilter(event.currentTarget.value)}
          />
        </div>
      )}
      {groupAttributes(found).map(({ prefix, attributes: members }) => (
        <dl class="attributes" key={prefix}>
          {members.map((attribute) => (
            <AttributeRow key={attribute.key} attribute={attribute} />
          ))}
        </dl>
      ))}
      {found.length === 0 && filter !== "" && <p class="hint">Nothing contains “{filter}”.</p>}
    </>
  );
}
