/** Line icons on a 16 by 16 grid, drawn in the colour of the text. */

import type { ComponentChildren } from "preact";

function icon(children: ComponentChildren) {
  return () => (
    <svg
      class="icon"
      viewBox="0 0 16 16"
      width="16"
      height="16"
      fill="none"
      stroke="currentColor"
      stroke-width="1.5"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {children}
    </svg>
  );
}

export const SearchIcon = icon(<path d="M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10Zm3.6-1.4L14 14" />);
export const RunIcon = icon(<path d="M5 3.2v9.6L12.5 8z" fill="currentColor" />);
export const ClockIcon = icon(<path d="M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12ZM8 4.8V8l2.2 1.6" />);
export const SunIcon = icon(
  <path d="M8 10.8a2.8 2.8 0 1 0 0-5.6 2.8 2.8 0 0 0 0 5.6ZM8 1.5v1.2M8 13.3v1.2M1.5 8h1.2M13.3 8h1.2M3.4 3.4l.9.9M11.7 11.7l.9.9M3.4 12.6l.9-.9M11.7 4.3l.9-.9" />,
);
export const MoonIcon = icon(<path d="M13.5 9.6A5.8 5.8 0 0 1 6.4 2.5a5.8 5.8 0 1 0 7.1 7.1Z" />);
export const AutoIcon = icon(
  <>
    <path d="M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12Z" />
    <path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor" />
  </>,
);
export const HelpIcon = icon(<path d="M6 6.1a2 2 0 1 1 2.9 1.8c-.6.3-.9.7-.9 1.4M8 11.7v.1M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13Z" />);
export const CloseIcon = icon(<path d="m4 4 8 8M12 4l-8 8" />);
export const ChevronIcon = icon(<path d="m6 4 4 4-4 4" />);
export const DownIcon = icon(<path d="m4 6 4 4 4-4" />);
export const UpIcon = icon(<path d="M8 13V3M4 7l4-4 4 4" />);
export const PlusIcon = icon(<path d="M8 3.5v9M3.5 8h9" />);
export const MinusIcon = icon(<path d="M3.5 8h9" />);
export const CopyIcon = icon(<path d="M5.5 5.5v-3h8v8h-3M2.5 5.5h8v8h-8z" />);
export const LinkIcon = icon(<path d="M6.7 9.3a2.6 2.6 0 0 0 3.7 0l2.2-2.2a2.6 2.6 0 0 0-3.7-3.7l-.9.9M9.3 6.7a2.6 2.6 0 0 0-3.7 0L3.4 8.9a2.6 2.6 0 0 0 3.7 3.7l.9-.9" />);
export const SidebarIcon = icon(<path d="M2.5 3h11v10h-11zM6.5 3v10" />);
export const WrapIcon = icon(<path d="M2.5 4h11M2.5 8h9a2 2 0 0 1 0 4H8.5m1.4-1.6L8.3 12l1.6 1.6M2.5 12h3" />);
export const ZoomOutIcon = icon(<path d="M7 12A5 5 0 1 0 7 2a5 5 0 0 0 0 10Zm3.6-1.4L14 14M5 7h4" />);
export const AgentsIcon = icon(<path d="M2.5 2.5h11v4h-11zM2.5 9.5h11v4h-11zM5 4.5h.1M5 11.5h.1" />);
export const AlertIcon = icon(<path d="M8 2.2 14.4 13.3H1.6zM8 6.4v3.2M8 11.5v.1" />);
