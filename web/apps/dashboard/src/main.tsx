import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app.js';
import { findWanted } from './panes.js';
import '../../../packages/react/src/style.css';
import './dashboard.css';

// The address of another run of the agent or the demo, with another token, in the same tab: a browser loads nothing anew then.
addEventListener('hashchange', () => location.reload());

createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <App {...findWanted()} />
  </StrictMode>,
);
