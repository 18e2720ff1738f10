// For `import '@chatsdk/react/style.css'`: it brings nothing but its effect.
export {};
